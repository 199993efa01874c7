//! Projections: which parts of an item an answer shows.
//!
//! A projected item keeps the shape of the whole: maps hold only the entries asked for, lists only the elements,
//! ascending and moved together. What is not there leaves no trace, not even an empty map.

use basalt_format::DecodeError;
use basalt_format::item_encoding::{Encoder, RawValue, TAG_LIST, TAG_MAP, check_level};

use super::branches::{self, Step, sub_branches};
use super::encoded;
use super::error::{ExpressionError, ExpressionKind, Fault};
use super::faults::PROJECTION_ORDER;
use super::lexer::TokenKind;
use super::parser::{Parser, check_paths_apart, parse_with};
use super::placeholders::Placeholders;
use crate::item::EncodedItem;
use crate::item_ref::ItemRef;
use crate::path::DocumentPath;

/// Paths to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    /// Sorted, see `branches`.
    paths: Vec<DocumentPath>,
}

/// Parses a ProjectionExpression: paths and commas.
pub fn parse_projection(text: &str, placeholders: &mut Placeholders) -> Result<Projection, ExpressionError> {
    parse_with(ExpressionKind::Projection, text, placeholders, parse)
}

fn parse(mut parser: Parser<'_>) -> Result<Projection, Fault> {
    let mut paths = vec![parser.path()?];
    while parser.accept(TokenKind::Comma) {
        paths.push(parser.path()?);
    }
    if parser.token().kind != TokenKind::End {
        return Err(parser.syntax_fault());
    }
    check_paths_apart(&paths.iter().collect::<Vec<_>>(), &mut parser.faults);
    parser.faults.check(PROJECTION_ORDER)?;
    Ok(Projection::new(paths))
}

impl Projection {
    /// A projection of these paths, in any order.
    pub fn new(paths: impl Into<Vec<DocumentPath>>) -> Self {
        let mut paths = paths.into();
        paths.sort_unstable();
        Self { paths }
    }

    /// The parts of an item that the paths lead to; empty if they lead to nothing.
    pub fn project(&self, item: ItemRef<'_>) -> Result<EncodedItem, DecodeError> {
        let mut encoder = Encoder::new();
        project_entries(&RawValue::Map(encoded::attributes(item)?), &self.paths, 0, &mut encoder)?;
        EncodedItem::from_bytes(encoder.finish())
    }

    /// The paths, sorted.
    pub fn paths(&self) -> &[DocumentPath] {
        &self.paths
    }
}

/// Writes the entries of a map, or the elements of a list, that the branch leads to.
fn project_entries(
    holder: &RawValue<'_>,
    branch: &[DocumentPath],
    depth: usize,
    encoder: &mut Encoder,
) -> Result<(), DecodeError> {
    let container = encoder.open();
    for (step, branch) in sub_branches(branch, depth) {
        if let Some(value) = entry(holder, step)?
            && leads_somewhere(value, branch, depth + 1)?
        {
            if let Step::Name(name) = step {
                encoder.put_name(name);
            }
            project_value(value, branch, depth + 1, encoder)?;
            encoder.end_entry(&container);
        }
    }
    encoder.close(container);
    Ok(())
}

/// Writes what a branch, which leads somewhere, shows of a value.
fn project_value(
    value: &[u8],
    branch: &[DocumentPath],
    depth: usize,
    encoder: &mut Encoder,
) -> Result<(), DecodeError> {
    check_level(depth)?;
    if branches::end(branch, depth).is_some() {
        encoder.put_bytes(value);
        return Ok(());
    }
    let holder = RawValue::parse(value)?;
    match holder {
        RawValue::Map(_) => encoder.put_tag(TAG_MAP),
        RawValue::List(_) => encoder.put_tag(TAG_LIST),
        _ => return Ok(()),
    }
    project_entries(&holder, branch, depth, encoder)
}

/// Whether any path of the branch leads to something in the value.
fn leads_somewhere(value: &[u8], branch: &[DocumentPath], depth: usize) -> Result<bool, DecodeError> {
    check_level(depth)?;
    if branches::end(branch, depth).is_some() {
        return Ok(true);
    }
    let holder = RawValue::parse(value)?;
    for (step, branch) in sub_branches(branch, depth) {
        if let Some(inner) = entry(&holder, step)?
            && leads_somewhere(inner, branch, depth + 1)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is one step into a value; only maps and lists hold anything.
fn entry<'a>(holder: &RawValue<'a>, step: Step<'_>) -> Result<Option<&'a [u8]>, DecodeError> {
    match (holder, step) {
        (RawValue::Map(map), Step::Name(name)) => map.find(name),
        (RawValue::List(list), Step::Index(index)) => list.entry(index),
        _ => Ok(None),
    }
}
