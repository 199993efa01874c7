//! The specification's tables and the code's constants say the same.
//!
//! Goal: a reader of `spec/*.md` can trust every offset, size and value there. Method: read the Markdown, compare
//! each marked table with what the registry says belongs to it, and refuse byte tables that nobody compares.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the specification, which is no part of a data directory"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use basalt_format::layout::{Constant, Field};

use crate::registry::{self, Rows};

#[test]
fn every_registered_table_matches_the_code() {
    for table in registry::tables() {
        let place = format!("{} table {}", table.page, table.name);
        let found = find_table(table.page, table.name);
        let found = found.unwrap_or_else(|| panic!("{place}: no such table"));
        match table.rows {
            Rows::Fields(fields) => assert_eq!(found.fields(&place), owned_fields(fields), "{place}"),
            Rows::Constants(constants) => {
                assert_eq!(found.constants(&place), owned_constants(constants), "{place}");
            }
        }
    }
}

#[test]
fn every_marked_table_is_registered() {
    let registered: BTreeSet<(String, String)> =
        registry::tables().iter().map(|table| (table.page.to_owned(), table.name.to_owned())).collect();
    for page in pages() {
        for table in read_tables(&page) {
            match table.name {
                Some(name) => assert!(
                    registered.contains(&(page.clone(), name.clone())),
                    "{page}: table {name} is marked but not registered"
                ),
                None => assert!(
                    !table.header.iter().any(|column| column == "offset"),
                    "{page}: the byte table {:?} has no marker",
                    table.header
                ),
            }
        }
    }
}

#[test]
fn the_fields_of_every_layout_follow_each_other() {
    for table in registry::tables() {
        if let Rows::Fields(fields) = table.rows {
            let mut end = 0;
            for field in fields {
                assert_eq!(field.offset, end, "{} table {}: {}", table.page, table.name, field.name);
                end = field.end();
            }
        }
    }
}

#[test]
fn every_source_file_with_a_structure_has_its_page() {
    let written = pages();
    for table in registry::tables() {
        assert!(written.iter().any(|page| page == table.page), "spec/{} is missing", table.page);
    }
}

/// A table of a page, with the name in the comment above it.
struct MarkdownTable {
    name: Option<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl MarkdownTable {
    fn fields(&self, place: &str) -> Vec<(usize, usize, String)> {
        let (offset, size, field) = (self.column("offset"), self.column("size"), self.column("field"));
        let number = |cell: &str| number(cell, place) as usize;
        self.rows
            .iter()
            .map(|row| (number(&row[offset]), number(&row[size]), unquoted(&row[field])))
            .collect()
    }

    fn constants(&self, place: &str) -> Vec<(String, i128)> {
        let (value, name) = (self.column("value"), self.column("name"));
        self.rows.iter().map(|row| (unquoted(&row[name]), number(&row[value], place))).collect()
    }

    fn column(&self, name: &str) -> usize {
        let found = self.header.iter().position(|column| column == name);
        found.unwrap_or_else(|| panic!("table {:?} has no column {name}", self.name))
    }
}

fn owned_fields(fields: &[Field]) -> Vec<(usize, usize, String)> {
    fields.iter().map(|field| (field.offset, field.size, field.name.to_owned())).collect()
}

fn owned_constants(constants: &[Constant]) -> Vec<(String, i128)> {
    constants.iter().map(|constant| (constant.name.to_owned(), constant.value.into())).collect()
}

fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

fn number(cell: &str, place: &str) -> i128 {
    let cell = cell.trim_matches('`').replace([',', '_'], "");
    let parsed = match cell.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => cell.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("{place}: {cell:?} is not a number"))
}

fn spec_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("spec")
}

fn pages() -> Vec<String> {
    let entries = fs::read_dir(spec_directory()).expect("spec/ is there");
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}

fn find_table(page: &str, name: &str) -> Option<MarkdownTable> {
    read_tables(page).into_iter().find(|table| table.name.as_deref() == Some(name))
}

fn read_tables(page: &str) -> Vec<MarkdownTable> {
    let text = fs::read_to_string(spec_directory().join(page)).unwrap_or_default();
    let mut tables = Vec::new();
    let mut marker = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- table: ") {
            marker = Some(name.trim_end_matches("-->").trim().to_owned());
        } else if line.starts_with('|') {
            lines.next_if(|separator| separator.starts_with("|-") || separator.starts_with("|:"));
            let mut rows = Vec::new();
            while let Some(row) = lines.next_if(|row| row.starts_with('|')) {
                rows.push(cells(row));
            }
            tables.push(MarkdownTable { name: marker.take(), header: cells(line), rows });
        }
    }
    assert_eq!(marker, None, "{page}: a marker without a table");
    tables
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}
