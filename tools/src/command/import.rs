//! `basaltctl import`: items from files into a table.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
};

use basalt_engine::{
    CreateTable, Engine,
    model::{Item, KeyAttribute, KeySchema, Number, ScalarKind, Value},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Output,
    export::md5_of,
    items::{self, GROUP_ITEMS},
    restore::{of_engine, table_names},
};
use crate::{directory::HeldDirectory, failure::Failure, progress};

/// How a table's items are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ImportFormat {
    /// AWS's export to S3, or its data files alone
    Dynamodb,
    /// One item of DynamoDB JSON a line
    Jsonl,
    /// The first line names the attributes
    Csv,
}

#[derive(Serialize)]
struct ImportReport {
    table: String,
    items: u64,
}

/// Reads `from` into `table`.
pub(crate) fn run(
    directory: &Path,
    table: &str,
    format: ImportFormat,
    from: &Path,
    key: Option<&str>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let key = key.map(parse_key).transpose()?;
    if directory.join("NODE").exists() {
        // Says clearly that a daemon uses it.
        drop(HeldDirectory::hold(directory)?);
    }
    let engine = items::open_engine(directory)?;
    let keys = table_keys(&engine, table, key)?;
    let import = Import { engine: &engine, table, keys: &keys, bar: progress::of_items("items") };
    let items = match format {
        ImportFormat::Dynamodb => import.dynamodb(from)?,
        ImportFormat::Jsonl => import.lines(from, open(from)?)?,
        ImportFormat::Csv => import.csv(from)?,
    };
    import.bar.finish_and_clear();
    let engine = engine.blocking();
    engine.checkpoint().map_err(of_engine)?;
    engine.close().map_err(of_engine)?;
    let report = ImportReport { table: table.to_owned(), items };
    output.print(&report, || format!("{items} items read into {table}"));
    Ok(ExitCode::SUCCESS)
}

/// The keys of the table, which is made if it is not there.
fn table_keys(engine: &Engine, table: &str, key: Option<KeySchema>) -> Result<KeySchema, Failure> {
    let engine = engine.blocking();
    let is_there = table_names(&engine)?.iter().any(|name| name == table);
    match (is_there, key) {
        (true, None) => Ok(engine.describe_table(table).map_err(of_engine)?.key_schema),
        (true, Some(key)) => {
            let there = engine.describe_table(table).map_err(of_engine)?.key_schema;
            if there == key {
                Ok(there)
            } else {
                Err(Failure::usage(format!("table {table} has other keys")))
            }
        }
        (false, Some(key)) => {
            engine.create_table(CreateTable::new(table, key.clone())).map_err(of_engine)?;
            Ok(key)
        }
        (false, None) => Err(Failure::usage(format!("there is no table {table}: give its --key to make it"))),
    }
}

/// `NAME:TYPE` or `NAME:TYPE,NAME:TYPE`.
fn parse_key(text: &str) -> Result<KeySchema, Failure> {
    let attribute = |part: &str| {
        let (name, kind) = part.rsplit_once(':')?;
        let kind = match kind {
            "S" => ScalarKind::S,
            "N" => ScalarKind::N,
            "B" => ScalarKind::B,
            _ => return None,
        };
        Some(KeyAttribute { name: name.to_owned(), kind })
    };
    let attributes: Option<Vec<KeyAttribute>> = text.split(',').map(attribute).collect();
    match attributes.as_deref() {
        Some([partition]) => Ok(KeySchema { partition: partition.clone(), sort: None }),
        Some([partition, sort]) => Ok(KeySchema { partition: partition.clone(), sort: Some(sort.clone()) }),
        _ => Err(Failure::usage(format!("{text:?} is no key: say NAME:TYPE or NAME:TYPE,NAME:TYPE"))),
    }
}

/// A line of AWS's `manifest-files.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedFile {
    md5_checksum: String,
    data_file_s3_key: String,
}

struct Import<'a> {
    engine: &'a Engine,
    table: &'a str,
    keys: &'a KeySchema,
    bar: ProgressBar,
}

impl Import<'_> {
    /// An export's directory with its manifest, or any directory of data files.
    fn dynamodb(&self, from: &Path) -> Result<u64, Failure> {
        let manifest = from.join("manifest-files.json");
        let files = if manifest.exists() { listed_files(from, &manifest)? } else { data_files(from)? };
        let mut count = 0;
        for path in &files {
            count += self.lines(path, open(path)?)?;
        }
        Ok(count)
    }

    fn lines(&self, path: &Path, reader: Box<dyn BufRead>) -> Result<u64, Failure> {
        let mut count = 0;
        let mut group: Vec<(u64, String)> = Vec::with_capacity(GROUP_ITEMS);
        for (number, line) in (1..).zip(reader.lines()) {
            let line = line.map_err(|error| Failure::io(path, error))?;
            if !line.trim().is_empty() {
                group.push((number, line));
            }
            if group.len() == GROUP_ITEMS {
                count += self.put_lines(path, &std::mem::take(&mut group))?;
            }
        }
        Ok(count + self.put_lines(path, &group)?)
    }

    fn put_lines(&self, path: &Path, lines: &[(u64, String)]) -> Result<u64, Failure> {
        let parsed = lines.par_iter().map(|(number, line)| {
            items::from_json(line.as_bytes()).map_err(|problem| at_line(path, *number, &problem))
        });
        self.put(parsed.collect::<Result<_, _>>()?)
    }

    fn put(&self, items: Vec<Item>) -> Result<u64, Failure> {
        let count = items.len() as u64;
        items::put_all(self.engine, self.table, self.keys, items)?;
        self.bar.inc(count);
        Ok(count)
    }

    /// As AWS's import reads CSV: the first line names the attributes, keys have their types, and all else is text. A
    /// cell without anything is an attribute that the item lacks.
    fn csv(&self, from: &Path) -> Result<u64, Failure> {
        let mut reader = csv::Reader::from_reader(open(from)?);
        let failed = |error: csv::Error| Failure::damaged(format!("{}: {error}", from.display()));
        let names = reader.headers().map_err(failed)?.clone();
        let (mut count, mut group) = (0, Vec::with_capacity(GROUP_ITEMS));
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let line = record.position().map_or(0, csv::Position::line);
            let cells = names.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
            let values = cells.map(|(name, cell)| Ok((name.to_owned(), self.typed(name, cell)?)));
            group.push(
                values.collect::<Result<Item, String>>().map_err(|problem| at_line(from, line, &problem))?,
            );
            if group.len() == GROUP_ITEMS {
                count += self.put(std::mem::take(&mut group))?;
            }
        }
        Ok(count + self.put(group)?)
    }

    fn typed(&self, name: &str, cell: &str) -> Result<Value, String> {
        match self.keys.attribute(name).map(|key| key.kind) {
            None | Some(ScalarKind::S) => Ok(Value::S(cell.to_owned())),
            Some(ScalarKind::N) => {
                Number::parse(cell).map(Value::N).map_err(|error| format!("{name}: {error}"))
            }
            Some(ScalarKind::B) => {
                BASE64_STANDARD.decode(cell).map(Value::B).map_err(|error| format!("{name}: {error}"))
            }
        }
    }
}

fn at_line(path: &Path, line: u64, problem: &str) -> Failure {
    Failure::damaged(format!("{}, line {line}: {problem}", path.display()))
}

/// The data files that a manifest lists, each compared with its checksum.
fn listed_files(directory: &Path, manifest: &Path) -> Result<Vec<PathBuf>, Failure> {
    let text = fs::read_to_string(manifest).map_err(|error| Failure::io(manifest, error))?;
    let mut files = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let listed: ListedFile =
            serde_json::from_str(line).map_err(|error| at_line(manifest, number, &error.to_string()))?;
        let name = listed.data_file_s3_key.rsplit('/').next().unwrap_or_default();
        let path = directory.join("data").join(name);
        let bytes = fs::read(&path).map_err(|error| Failure::io(&path, error))?;
        if md5_of(&bytes) != listed.md5_checksum {
            return Err(Failure::damaged(format!("{}: its MD5 is not the manifest's", path.display())));
        }
        files.push(path);
    }
    Ok(files)
}

/// Files of items in a directory, in the order of their names.
fn data_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::io(directory, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".json.gz") || name.ends_with(".json") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds neither a manifest nor data files",
            directory.display()
        )));
    }
    Ok(files)
}

/// Inflates what is compressed.
fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path, error))?;
    if path.extension().is_some_and(|end| end == "gz") {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(file))));
    }
    Ok(Box::new(BufReader::new(file)))
}
