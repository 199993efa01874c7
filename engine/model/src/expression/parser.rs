//! What the parsers of all kinds of expressions share: the walk over tokens, document paths, placeholders, and the
//! collection of faults.

use super::ast::Constant;
use super::error::{ExpressionError, ExpressionKind, Fault};
use super::faults::{FaultClass, Faults};
use super::lexer::{Token, TokenKind, tokenize};
use super::messages::END_TOKEN;
use super::placeholders::Placeholders;
use super::reserved::is_reserved;
use super::{EXPRESSION_BYTES_MAX, LIST_INDEX_MAX, OPERATORS_MAX};
use crate::path::{DocumentPath, PathElement};
use crate::value::Value;

/// Walks over one expression. Syntax faults stop it; all others are recorded and judged at the end.
pub(crate) struct Parser<'a> {
    kind: ExpressionKind,
    text: &'a str,
    tokens: Vec<Token>,
    position: usize,
    placeholders: &'a mut Placeholders,
    operator_count: usize,
    pub(crate) faults: Faults,
}

impl<'a> Parser<'a> {
    fn new(kind: ExpressionKind, text: &'a str, placeholders: &'a mut Placeholders) -> Self {
        Self {
            kind,
            text,
            tokens: tokenize(text),
            position: 0,
            placeholders,
            operator_count: 0,
            faults: Faults::default(),
        }
    }

    /// The token to be read next; [`TokenKind::End`] for ever behind the text.
    pub(crate) fn token(&self) -> Token {
        self.tokens[self.position]
    }

    /// Where [`Parser::token`] is among the tokens.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn advance(&mut self) {
        self.position = (self.position + 1).min(self.tokens.len() - 1);
    }

    /// Reads a token of this kind, if it is there.
    pub(crate) fn accept(&mut self, kind: TokenKind) -> bool {
        let found = self.token().kind == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Reads a token that the grammar demands.
    pub(crate) fn expect(&mut self, kind: TokenKind) -> Result<(), Fault> {
        if self.accept(kind) { Ok(()) } else { Err(self.syntax_fault()) }
    }

    /// Whether the next token is this keyword, in any case.
    pub(crate) fn at_keyword(&self, keyword: &str) -> bool {
        let token = self.token();
        token.kind == TokenKind::Identifier && self.text_of(token).eq_ignore_ascii_case(keyword)
    }

    /// Reads a keyword, if it is there.
    pub(crate) fn accept_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Counts an operator that was read.
    pub(crate) fn count_operator(&mut self) {
        self.operator_count += 1;
    }

    /// Reads the name of a function and its opening parenthesis, if that is what comes next.
    pub(crate) fn accept_call(&mut self) -> Option<&'a str> {
        let (token, next) = (self.token(), self.tokens.get(self.position + 1)?);
        let is_call = token.kind == TokenKind::Identifier
            && next.kind == TokenKind::OpenParenthesis
            && !self.at_any_keyword();
        if !is_call {
            return None;
        }
        self.position += 2;
        Some(self.text_of(token))
    }

    /// Reads a whole document path.
    pub(crate) fn path(&mut self) -> Result<DocumentPath, Fault> {
        let mut path = DocumentPath::attribute(self.name()?);
        self.path_rest(&mut path)?;
        Ok(path)
    }

    /// Reads whatever `.name` and `[index]` follow.
    pub(crate) fn path_rest(&mut self, path: &mut DocumentPath) -> Result<(), Fault> {
        loop {
            if self.accept(TokenKind::Dot) {
                path.rest.push(PathElement::Name(self.name()?));
            } else if self.accept(TokenKind::OpenBracket) {
                path.rest.push(PathElement::Index(self.index()?));
                self.expect(TokenKind::CloseBracket)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads `:value`. An undefined one is recorded and stands for something that raises no fault before that.
    pub(crate) fn constant(&mut self) -> Result<Constant, Fault> {
        let token = self.token();
        self.expect(TokenKind::Value)?;
        let placeholder = self.text_of(token);
        if let Some(constant) = self.placeholders.resolve_value(placeholder) {
            return Ok(constant.clone());
        }
        // In a condition, names and values are looked up in one pass.
        let class = match self.kind {
            ExpressionKind::Update => FaultClass::UndefinedValue,
            _ => FaultClass::UndefinedName,
        };
        self.faults.record(class, Fault::UndefinedValue { value: placeholder.to_owned() });
        Ok(Constant::new(Value::Null))
    }

    /// The next token is in the way.
    pub(crate) fn syntax_fault(&self) -> Fault {
        let token = self.token();
        let before = self.position.checked_sub(1).map_or(token, |position| self.tokens[position]);
        let after = *self.tokens.get(self.position + 1).unwrap_or(&token);
        let is_end = token.kind == TokenKind::End;
        let end = match (is_end, after.kind) {
            (true, _) => before.end,
            (false, TokenKind::End) => token.end,
            (false, _) => after.end,
        };
        let text = if is_end { END_TOKEN } else { self.text_of(token) };
        Fault::Syntax { token: text.to_owned(), near: self.text[before.start..end].to_owned() }
    }

    /// Records what the whole text does wrong, once it is known to be grammatical.
    pub(crate) fn check_operator_count(&mut self) {
        if self.operator_count > OPERATORS_MAX {
            let fault = Fault::TooManyOperators { count: self.operator_count };
            self.faults.record(FaultClass::OperatorCount, fault);
        }
    }

    /// Reads one name of a path, resolved.
    fn name(&mut self) -> Result<String, Fault> {
        let token = self.token();
        let text = self.text_of(token);
        match token.kind {
            TokenKind::Identifier if !self.at_any_keyword() => {
                self.advance();
                if is_reserved(text) {
                    self.faults.record(FaultClass::Reserved, Fault::ReservedWord { word: text.to_owned() });
                }
                Ok(text.to_owned())
            }
            TokenKind::Name => {
                self.advance();
                Ok(self.resolve_name(text))
            }
            _ => Err(self.syntax_fault()),
        }
    }

    fn resolve_name(&mut self, placeholder: &str) -> String {
        if let Some(name) = self.placeholders.resolve_name(placeholder) {
            return name.to_owned();
        }
        let fault = Fault::UndefinedName { name: placeholder.to_owned() };
        self.faults.record(FaultClass::UndefinedName, fault);
        placeholder.to_owned()
    }

    fn index(&mut self) -> Result<u32, Fault> {
        let token = self.token();
        self.expect(TokenKind::Number)?;
        let text = self.text_of(token);
        let index = text.parse().ok().filter(|&index| index <= LIST_INDEX_MAX);
        index.ok_or_else(|| Fault::ListIndexOutOfRange { index: text.to_owned() })
    }

    /// Whether the next token is a keyword of this kind of expression, so that it cannot be a name.
    fn at_any_keyword(&self) -> bool {
        let keywords: &[&str] = match self.kind {
            ExpressionKind::Update => &["SET", "REMOVE", "ADD", "DELETE"],
            ExpressionKind::Projection => &[],
            ExpressionKind::Condition | ExpressionKind::KeyCondition | ExpressionKind::Filter => {
                &["BETWEEN", "IN", "AND", "OR", "NOT"]
            }
        };
        keywords.iter().any(|keyword| self.at_keyword(keyword))
    }

    fn text_of(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }
}

/// Parses `text` with `parse`, after the checks that come before syntax, and says in the error which parameter it was.
pub(crate) fn parse_with<'a, T>(
    kind: ExpressionKind,
    text: &'a str,
    placeholders: &'a mut Placeholders,
    parse: impl FnOnce(Parser<'a>) -> Result<T, Fault>,
) -> Result<T, ExpressionError> {
    let checked = match text.len() {
        0 => Err(Fault::Empty),
        bytes if bytes > EXPRESSION_BYTES_MAX => Err(Fault::TooLong { bytes }),
        _ => parse(Parser::new(kind, text, placeholders)),
    };
    checked.map_err(|fault| ExpressionError::invalid(kind, fault))
}

/// Records that paths of one update or projection touch the same value, or disagree about what it is.
pub(crate) fn check_paths_apart(paths: &[&DocumentPath], faults: &mut Faults) {
    // Sorted, related paths have a related neighbour; so the search for the first pair is only for faulty texts.
    let mut sorted = paths.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).all(|pair| relation(pair[0], pair[1]).is_none()) {
        return;
    }
    for (position, second) in paths.iter().enumerate() {
        for first in &paths[..position] {
            if let Some(class) = relation(first, second) {
                faults.record(class, relation_fault(class, first, second));
            }
        }
    }
}

/// How two paths cannot be in one expression: as [`FaultClass::Overlap`], as [`FaultClass::Conflict`], or they can.
fn relation(first: &DocumentPath, second: &DocumentPath) -> Option<FaultClass> {
    if first.name != second.name {
        return None;
    }
    match first.rest.iter().zip(&second.rest).find(|(left, right)| left != right) {
        None => Some(FaultClass::Overlap),
        Some(
            (PathElement::Name(_), PathElement::Index(_)) | (PathElement::Index(_), PathElement::Name(_)),
        ) => Some(FaultClass::Conflict),
        Some(_) => None,
    }
}

fn relation_fault(class: FaultClass, first: &DocumentPath, second: &DocumentPath) -> Fault {
    let (first, second) = (first.clone(), second.clone());
    match class {
        FaultClass::Overlap => Fault::PathsOverlap { first, second },
        _ => Fault::PathsConflict { first, second },
    }
}
