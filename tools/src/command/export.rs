//! `basaltctl export`: a table's items as files.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use basalt_engine::{
    BlockingEngine, Scan, ScanSegment, TableDescription,
    model::{EncodedItem, KeySchema, ValueRef},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use indicatif::ProgressBar;
use md5::{Digest as _, Md5};
use serde::Serialize;
use serde_json::json;

use super::{Output, items, restore::of_engine};
use crate::{
    backup::source::unix_us_now,
    destination::{beside, require_absent_or_empty},
    directory::HeldDirectory,
    failure::Failure,
    progress,
};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// AWS's export to S3: DynamoDB JSON, gzip, manifests
    Dynamodb,
    /// One item of DynamoDB JSON a line
    Jsonl,
    /// A column for each attribute
    Csv,
}

#[derive(Serialize)]
struct ExportReport {
    table: String,
    items: u64,
    path: String,
}

/// Writes the items of `table` to `to`.
pub(crate) fn run(
    directory: &Path,
    table: &str,
    format: ExportFormat,
    to: &Path,
    output: Output,
) -> Result<ExitCode, Failure> {
    match format {
        ExportFormat::Dynamodb => require_absent_or_empty(to)?,
        ExportFormat::Jsonl | ExportFormat::Csv => require_absent(to)?,
    }
    // Says clearly what is no directory and what is in use, where an engine would make one or wait.
    drop(HeldDirectory::hold(directory)?);
    let engine = items::open_engine(directory)?.blocking();
    let description = engine.describe_table(table).map_err(of_engine)?;
    let bar = progress::of_items("items");
    let export = Export { engine: &engine, description: &description, bar };
    let (items, path) = match format {
        ExportFormat::Dynamodb => export.dynamodb(to)?,
        ExportFormat::Jsonl => {
            (export.to_file(to, &mut |file| export.lines(ScanSegment::WHOLE, file))?, to.to_owned())
        }
        ExportFormat::Csv => (export.csv(to)?, to.to_owned()),
    };
    export.bar.finish_and_clear();
    engine.close().map_err(of_engine)?;
    let report = ExportReport { table: table.to_owned(), items, path: path.display().to_string() };
    output.print(&report, || format!("{items} items of {table} in {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn require_absent(path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => {
            Err(Failure::new(crate::failure::Exit::Exists, format!("{} is there already", path.display())))
        }
        Err(error) => Err(Failure::io(path, error)),
    }
}

struct Export<'a> {
    engine: &'a BlockingEngine,
    description: &'a TableDescription,
    bar: ProgressBar,
}

/// A data file of AWS's layout.
struct DataFile {
    name: String,
    items: u64,
    md5: String,
}

impl Export<'_> {
    /// Visits every item of a segment.
    fn scan(
        &self,
        segment: ScanSegment,
        visit: &mut dyn FnMut(&EncodedItem) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let mut request = Scan { segment, ..Scan::new(&self.description.table_name) };
        let mut count = 0;
        loop {
            let page = self.engine.scan(request.clone()).map_err(of_engine)?;
            page.items.iter().try_for_each(&mut *visit)?;
            count += page.items.len() as u64;
            self.bar.inc(page.items.len() as u64);
            if page.last_evaluated_key.is_none() {
                return Ok(count);
            }
            request.exclusive_start_key = page.last_evaluated_key;
        }
    }

    /// One line an item.
    fn lines(&self, segment: ScanSegment, file: &mut dyn Write) -> Result<u64, Failure> {
        self.scan(segment, &mut |item| {
            let line = json!({ "Item": items::to_json(item.as_item())? });
            writeln!(file, "{line}").map_err(|error| Failure::io("the export", error))
        })
    }

    /// Fills a file under another name, syncs it and gives it its own.
    fn to_file(
        &self,
        path: &Path,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<u64, Failure>,
    ) -> Result<u64, Failure> {
        let built = beside(path, ".building");
        let failed = |error| Failure::io(path, error);
        let mut file = BufWriter::new(File::create(&built).map_err(failed)?);
        let count = fill(&mut file)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&built, path).map_err(failed)?;
        Ok(count)
    }

    /// The layout of AWS's export, one data file a core; the directory that an import is pointed at.
    fn dynamodb(&self, to: &Path) -> Result<(u64, PathBuf), Failure> {
        let started = unix_us_now();
        let id = format!("{:014}-{:08x}", started / 1000, std::process::id());
        let directory = to.join("AWSDynamoDB").join(&id);
        let data = directory.join("data");
        fs::create_dir_all(&data).map_err(|error| Failure::io(&data, error))?;
        let segments = thread::available_parallelism().map_or(1, usize::from) as u32;
        let files: Vec<DataFile> = thread::scope(|scope| {
            let writing: Vec<_> = (0..segments)
                .map(|segment| {
                    let segment = ScanSegment { segment, total_segments: segments };
                    let data = &data;
                    scope.spawn(move || self.data_file(data, segment))
                })
                .collect();
            writing
                .into_iter()
                .map(|thread| thread.join().expect("a panic ends the process"))
                .collect::<Result<_, _>>()
        })?;
        let items = files.iter().map(|file| file.items).sum();
        self.manifests(&directory, &id, started, &files)?;
        Ok((items, directory))
    }

    fn data_file(&self, data: &Path, segment: ScanSegment) -> Result<DataFile, Failure> {
        let name = format!("{:026x}.json.gz", segment.segment);
        let path = data.join(&name);
        let items = self.to_file(&path, &mut |file| {
            let mut compressed = GzEncoder::new(file, Compression::fast());
            let count = self.lines(segment, &mut compressed)?;
            compressed.finish().map_err(|error| Failure::io(&path, error))?;
            Ok(count)
        })?;
        let bytes = fs::read(&path).map_err(|error| Failure::io(&path, error))?;
        Ok(DataFile { name, items, md5: md5_of(&bytes) })
    }

    /// What AWS writes beside the data: which files there are, and what they are of.
    fn manifests(&self, directory: &Path, id: &str, started: u64, files: &[DataFile]) -> Result<(), Failure> {
        let prefix = format!("AWSDynamoDB/{id}");
        let mut listed = String::new();
        for DataFile { name, items, md5 } in files {
            let line = json!({
                "itemCount": items, "md5Checksum": md5, "etag": md5, "dataFileS3Key": format!("{prefix}/data/{name}"),
            });
            listed.push_str(&line.to_string());
            listed.push('\n');
        }
        let TableDescription { table_arn, table_id, .. } = self.description;
        let (started, ended) = (in_iso(started), in_iso(unix_us_now()));
        let summary = json!({
            "version": "2020-06-30",
            "exportArn": format!("{table_arn}/export/{id}"),
            "startTime": started,
            "endTime": ended,
            "tableArn": table_arn,
            "tableId": table_id.to_string(),
            "exportTime": started,
            "s3Bucket": "basalt",
            "s3Prefix": null,
            "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": null,
            "manifestFilesS3Key": format!("{prefix}/manifest-files.json"),
            "billedSizeBytes": 0,
            "itemCount": files.iter().map(|file| file.items).sum::<u64>(),
            "outputFormat": "DYNAMODB_JSON",
            "exportType": "FULL_EXPORT",
        });
        let summary = summary.to_string();
        for (name, content) in [("manifest-files", &listed), ("manifest-summary", &summary)] {
            write_synced(&directory.join(format!("{name}.json")), content)?;
            write_synced(&directory.join(format!("{name}.checksum")), &md5_of(content.as_bytes()))?;
        }
        write_synced(&directory.join("_started"), "")
    }

    /// Keys first, then the other attributes by name. What is no single text, number, truth or byte string has no place
    /// in a cell, and is refused.
    fn csv(&self, to: &Path) -> Result<u64, Failure> {
        let columns = self.columns()?;
        self.to_file(to, &mut |file| {
            let mut writer = csv::Writer::from_writer(file);
            let failed = |error: csv::Error| Failure::io(to, error.into());
            writer.write_record(&columns).map_err(failed)?;
            let count = self.scan(ScanSegment::WHOLE, &mut |item| {
                let cells: Vec<String> =
                    columns.iter().map(|column| cell(item, column)).collect::<Result<_, _>>()?;
                writer.write_record(&cells).map_err(failed)
            })?;
            writer.flush().map_err(|error| Failure::io(to, error))?;
            Ok(count)
        })
    }

    fn columns(&self) -> Result<Vec<String>, Failure> {
        let keys: &KeySchema = &self.description.key_schema;
        let mut columns: Vec<String> = keys.attributes().map(|key| key.name.clone()).collect();
        let mut others = BTreeSet::new();
        self.scan(ScanSegment::WHOLE, &mut |item| {
            for entry in item.as_item().iter() {
                let (name, _) = entry.map_err(|error| Failure::damaged(error.to_string()))?;
                if !columns.iter().any(|column| column == name) && !others.contains(name) {
                    others.insert(name.to_owned());
                }
            }
            Ok(())
        })?;
        columns.extend(others);
        Ok(columns)
    }
}

fn cell(item: &EncodedItem, column: &str) -> Result<String, Failure> {
    let value = item.as_item().get(column).map_err(|error| Failure::damaged(error.to_string()))?;
    match value {
        None => Ok(String::new()),
        Some(ValueRef::S(text)) => Ok(text.to_owned()),
        Some(ValueRef::N(number)) => Ok(number.to_string()),
        Some(ValueRef::B(bytes)) => Ok(BASE64_STANDARD.encode(bytes)),
        Some(ValueRef::Bool(truth)) => Ok(truth.to_string()),
        Some(ValueRef::Null) => Ok("null".to_owned()),
        Some(nested) => Err(Failure::usage(format!(
            "attribute {column} holds a value of type {}: CSV has no place for it, use --format jsonl",
            nested.kind()
        ))),
    }
}

pub(crate) fn md5_of(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(bytes))
}

fn write_synced(path: &Path, content: &str) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::io(path, error))
}

/// `2026-01-31T12:00:00.000Z`.
fn in_iso(unix_us: u64) -> String {
    let (seconds, millis) = (unix_us / 1_000_000, unix_us / 1000 % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of the days since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(in_iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(in_iso(951_827_696_789_000), "2000-02-29T12:34:56.789Z");
        assert_eq!(in_iso(1_798_761_599_999_999), "2026-12-31T23:59:59.999Z");
    }
}
