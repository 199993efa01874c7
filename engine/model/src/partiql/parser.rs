//! Parses expressions by the precedence of their operators, as the PartiQL reference implementation does: what it
//! says of a token that stands in the way is what DynamoDB's clients read.
//!
//! Statements are terms to that grammar, see `statements`.
//!
//! Invariant: recursion ends at [`DEPTH_MAX`], so no text exhausts the stack. Chains of operators that bind alike
//! become flat lists or count as nesting, so trees are not deeper than that either.

use super::DEPTH_MAX;
use super::ast::{ArithmeticOperator, Expression, Step, Term};
use super::error::StatementError;
use super::lexer::{Place, Token, TokenKind};
use crate::expression::Comparator;

/// Walks over the tokens of one statement.
pub(super) struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    position: usize,
    depth: usize,
    /// Question marks so far.
    parameter_count: usize,
}

impl<'a> Parser<'a> {
    /// `tokens` end with [`TokenKind::End`].
    pub(super) fn new(tokens: Vec<Token<'a>>) -> Self {
        Self { tokens, position: 0, depth: 0, parameter_count: 0 }
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// The token to be read next; the end for ever behind the text.
    pub(super) fn token(&self) -> &Token<'a> {
        &self.tokens[self.position]
    }

    pub(super) fn word(&self) -> &'static str {
        self.token().word
    }

    pub(super) fn advance(&mut self) {
        self.position = (self.position + 1).min(self.tokens.len() - 1);
    }

    /// Reads a token of this kind, if it is there.
    pub(super) fn accept(&mut self, kind: TokenKind) -> bool {
        let found = self.token().kind == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Reads a keyword, if it is there.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let found = self.word() == word;
        if found {
            self.advance();
        }
        found
    }

    /// Reads a token that the grammar demands; `name` is what the reference implementation calls it.
    pub(super) fn expect(&mut self, kind: TokenKind, name: &str) -> Result<(), StatementError> {
        if self.accept(kind) { Ok(()) } else { Err(StatementError::malformed(format!("Expected {name}"))) }
    }

    /// An expression whose operators all bind tighter than `precedence`.
    pub(super) fn expression(&mut self, precedence: u8) -> Result<Expression, StatementError> {
        self.deeper(|parser| {
            let mut left = parser.unary()?;
            let mut chained = 0;
            while let Some(operator) = Infix::of(parser.token()).filter(|next| next.precedence > precedence) {
                let joined = parser.infix(left, operator)?;
                // A chain that did not become flat nests, one level an operator.
                chained += usize::from(!joined.term.is_flat());
                if chained > DEPTH_MAX {
                    return Err(StatementError::TooDeep);
                }
                left = joined;
            }
            Ok(left)
        })
    }

    /// A path that may be changed: names and constant indexes.
    pub(super) fn simple_path(&mut self) -> Result<Expression, StatementError> {
        let token = self.token().clone();
        if !matches!(token.kind, TokenKind::Identifier | TokenKind::QuotedIdentifier) {
            return Err(StatementError::malformed("Expected identifier for simple path"));
        }
        self.advance();
        let base = Expression { term: Term::Identifier(token.text.into_owned()), place: token.place };
        self.path_of(base, PathMode::Simple)
    }

    /// Expressions and the commas between them; at least one.
    pub(super) fn expressions(&mut self) -> Result<Vec<Expression>, StatementError> {
        let mut expressions = vec![self.expression(LOWEST)?];
        while self.accept(TokenKind::Comma) {
            expressions.push(self.expression(LOWEST)?);
        }
        Ok(expressions)
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, StatementError>,
    ) -> Result<T, StatementError> {
        if self.depth == DEPTH_MAX {
            return Err(StatementError::TooDeep);
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Reads an operator and what follows it.
    fn infix(&mut self, left: Expression, operator: Infix) -> Result<Expression, StatementError> {
        let place = left.place;
        let term = match operator.word {
            "is" | "is_not" => {
                self.advance();
                let type_name = self.type_name()?;
                negated(operator.is_negated(), Term::Is { operand: Box::new(left), type_name }, place)
            }
            "in" | "not_in" => {
                let candidates = Box::new(self.candidates()?);
                negated(operator.is_negated(), Term::In { value: Box::new(left), candidates }, place)
            }
            "between" | "not_between" => {
                let lower = Box::new(self.right_side(operator)?);
                let upper = Box::new(self.upper_bound(operator)?);
                negated(operator.is_negated(), Term::Between { value: Box::new(left), lower, upper }, place)
            }
            _ => {
                let right = self.right_side(operator)?;
                joined(left, operator.word, right)
            }
        };
        Ok(Expression { term, place })
    }

    fn right_side(&mut self, operator: Infix) -> Result<Expression, StatementError> {
        // The operator itself is the last token but the end.
        if self.position + 2 >= self.tokens.len() {
            return Err(StatementError::malformed("Missing right-hand side expression of infix operator"));
        }
        self.advance();
        self.expression(operator.precedence)
    }

    fn upper_bound(&mut self, operator: Infix) -> Result<Expression, StatementError> {
        if !self.accept_word("and") {
            return Err(StatementError::malformed("Expected AND keyword"));
        }
        if self.token().kind == TokenKind::End {
            return Err(StatementError::malformed("Expected expression after AND"));
        }
        self.expression(operator.precedence)
    }

    /// What stands behind IN. Parentheses list values there, even one.
    fn candidates(&mut self) -> Result<Expression, StatementError> {
        let next = self.tokens.get(self.position + 1);
        if next.is_some_and(|token| token.kind == TokenKind::LeftParenthesis) {
            self.advance();
            let place = self.token().place;
            self.advance();
            let candidates = self.expressions()?;
            self.expect(TokenKind::RightParenthesis, "RIGHT_PAREN")?;
            return Ok(Expression { term: Term::List(candidates), place });
        }
        self.right_side(Infix { word: "in", precedence: EQUALITY })
    }

    fn type_name(&mut self) -> Result<&'static str, StatementError> {
        let token = self.token();
        let name =
            if token.word.is_empty() { token.text.to_ascii_lowercase() } else { token.word.to_owned() };
        let Some(&word) = TYPE_NAMES.iter().find(|known| **known == name) else {
            return Err(StatementError::malformed("Expected type name"));
        };
        self.advance();
        if self.accept(TokenKind::LeftParenthesis) {
            self.expressions()?;
            self.expect(TokenKind::RightParenthesis, "RIGHT_PAREN")?;
        }
        Ok(word)
    }

    fn unary(&mut self) -> Result<Expression, StatementError> {
        let place = self.token().place;
        match self.word() {
            "not" => {
                self.advance();
                let operand = self.expression(NEGATION)?;
                Ok(Expression { term: Term::Not(Box::new(operand)), place })
            }
            "-" => {
                self.advance();
                let operand = self.deeper(Self::unary)?;
                Ok(match operand.term {
                    Term::Number(text) => Expression { term: Term::Number(opposite(text)), ..operand },
                    _ => Expression { term: Term::Negative(Box::new(operand)), place },
                })
            }
            "+" => {
                self.advance();
                let operand = self.deeper(Self::unary)?;
                Ok(match operand.term {
                    Term::Number(_) => operand,
                    _ => Expression { term: Term::Positive(Box::new(operand)), place },
                })
            }
            _ => {
                let base = self.term()?;
                self.path_of(base, PathMode::Full)
            }
        }
    }

    /// Reads whatever `.name` and `[index]` follow.
    fn path_of(&mut self, base: Expression, mode: PathMode) -> Result<Expression, StatementError> {
        let mut steps = Vec::new();
        loop {
            if self.accept(TokenKind::Dot) {
                steps.push(self.dot_step(mode)?);
            } else if self.accept(TokenKind::LeftBracket) {
                steps.push(self.bracket_step(mode)?);
            } else if steps.is_empty() {
                return Ok(base);
            } else {
                let place = base.place;
                return Ok(Expression { term: Term::Path { base: Box::new(base), steps }, place });
            }
        }
    }

    fn dot_step(&mut self, mode: PathMode) -> Result<Step, StatementError> {
        let token = self.token().clone();
        self.advance();
        match (token.kind, mode) {
            (TokenKind::Identifier | TokenKind::QuotedIdentifier, _) => {
                Ok(Step::Name(token.text.into_owned()))
            }
            (TokenKind::Star, PathMode::Full) => Ok(Step::Every(token.place)),
            (TokenKind::Star, PathMode::Simple) => {
                Err(StatementError::malformed("Invalid path dot component for simple path"))
            }
            _ => Err(StatementError::malformed("Invalid path dot component")),
        }
    }

    fn bracket_step(&mut self, mode: PathMode) -> Result<Step, StatementError> {
        let place = self.token().place;
        let step = match self.accept(TokenKind::Star) {
            true => Step::Every(place),
            false => Step::Index(Box::new(self.expression(LOWEST)?)),
        };
        self.expect(TokenKind::RightBracket, "RIGHT_BRACKET")?;
        let is_literal = matches!(&step, Step::Index(index)
            if matches!(index.term, Term::Number(_) | Term::Text(_) | Term::Boolean(_)));
        if mode == PathMode::Simple && !is_literal {
            return Err(StatementError::malformed("Invalid path component for simple path"));
        }
        Ok(step)
    }

    fn term(&mut self) -> Result<Expression, StatementError> {
        let token = self.token().clone();
        let place = token.place;
        let literal = |term| Ok(Expression { term, place });
        match token.kind {
            TokenKind::Operator => Err(StatementError::malformed("Unexpected operator")),
            TokenKind::Keyword => self.keyword_term(&token),
            TokenKind::LeftParenthesis => self.group(),
            TokenKind::LeftBracket => self.list(TokenKind::RightBracket, "RIGHT_BRACKET", Term::List),
            TokenKind::LeftAngles => {
                self.list(TokenKind::RightAngles, "RIGHT_DOUBLE_ANGLE_BRACKET", Term::Bag)
            }
            TokenKind::LeftBrace => self.tuple(),
            TokenKind::Identifier | TokenKind::QuotedIdentifier => {
                self.advance();
                match self.token().kind {
                    TokenKind::LeftParenthesis => self.call(&token.text.to_ascii_lowercase(), &token),
                    _ => literal(Term::Identifier(token.text.into_owned())),
                }
            }
            TokenKind::Parameter => {
                self.advance();
                self.parameter_count += 1;
                literal(Term::Parameter(self.parameter_count - 1))
            }
            TokenKind::Text => self.atom(Term::Text(token.text.into_owned()), place),
            TokenKind::Number => self.atom(Term::Number(token.text.into_owned()), place),
            TokenKind::Boolean => self.atom(Term::Boolean(token.word == "true"), place),
            TokenKind::Null => self.atom(Term::Null, place),
            TokenKind::Missing => self.atom(Term::Missing, place),
            _ => Err(StatementError::malformed("Unexpected term")),
        }
    }

    fn atom(&mut self, term: Term, place: Place) -> Result<Expression, StatementError> {
        self.advance();
        Ok(Expression { term, place })
    }

    /// A statement, or a function whose name is a keyword.
    fn keyword_term(&mut self, token: &Token<'a>) -> Result<Expression, StatementError> {
        if let Some(term) = self.statement_term()? {
            return Ok(Expression { term, place: token.place });
        }
        let next = self.tokens.get(self.position + 1);
        let is_call = next.is_some_and(|next| next.kind == TokenKind::LeftParenthesis);
        if !is_call || !FUNCTION_WORDS.contains(&token.word) {
            return Err(StatementError::malformed("Unexpected keyword"));
        }
        self.advance();
        self.call(token.word, token)
    }

    /// The parenthesis is next.
    fn call(&mut self, function: &str, name: &Token<'_>) -> Result<Expression, StatementError> {
        self.advance();
        let arguments = match self.token().kind {
            TokenKind::RightParenthesis => Vec::new(),
            // `COUNT(*)` is grammatical, and refused as what it is.
            TokenKind::Star if AGGREGATES.contains(&function) => {
                self.advance();
                Vec::new()
            }
            TokenKind::Star => {
                return Err(StatementError::malformed(format!("{function}(*) is not allowed")));
            }
            _ => self.expressions()?,
        };
        self.expect(TokenKind::RightParenthesis, "RIGHT_PAREN")?;
        let term = Term::Call { function: function.to_owned(), arguments };
        Ok(Expression { term, place: name.place })
    }

    fn group(&mut self) -> Result<Expression, StatementError> {
        let place = self.token().place;
        self.advance();
        let mut members = self.expressions()?;
        self.expect(TokenKind::RightParenthesis, "RIGHT_PAREN")?;
        match members.pop() {
            Some(only) if members.is_empty() => Ok(only),
            last => {
                members.extend(last);
                Ok(Expression { term: Term::List(members), place })
            }
        }
    }

    fn list(
        &mut self,
        end: TokenKind,
        end_name: &str,
        term: impl FnOnce(Vec<Expression>) -> Term,
    ) -> Result<Expression, StatementError> {
        let place = self.token().place;
        self.advance();
        if self.accept(end) {
            return Ok(Expression { term: term(Vec::new()), place });
        }
        let members = self.expressions()?;
        self.expect(end, end_name)?;
        Ok(Expression { term: term(members), place })
    }

    fn tuple(&mut self) -> Result<Expression, StatementError> {
        let place = self.token().place;
        self.advance();
        let mut members = Vec::new();
        if self.accept(TokenKind::RightBrace) {
            return Ok(Expression { term: Term::Struct(members), place });
        }
        loop {
            let name = self.expression(LOWEST)?;
            self.expect(TokenKind::Colon, "COLON")?;
            members.push((name, self.expression(LOWEST)?));
            if !self.accept(TokenKind::Comma) {
                break;
            }
        }
        self.expect(TokenKind::RightBrace, "RIGHT_CURLY")?;
        Ok(Expression { term: Term::Struct(members), place })
    }
}

impl Term {
    /// Whether more of the same operator behind it makes it longer, not deeper.
    fn is_flat(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_) | Self::Arithmetic { .. })
    }
}

/// Which steps a path may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathMode {
    Full,
    Simple,
}

/// Below every operator.
pub(super) const LOWEST: u8 = 0;
const NEGATION: u8 = 30;
const EQUALITY: u8 = 40;

/// An operator between terms.
#[derive(Debug, Clone, Copy)]
struct Infix {
    word: &'static str,
    precedence: u8,
}

impl Infix {
    fn of(token: &Token<'_>) -> Option<Self> {
        let precedence = match token.word {
            "union" | "intersect" => 5,
            "or" => 10,
            "and" => 20,
            "=" | "<>" | "is" | "is_not" | "in" | "not_in" => EQUALITY,
            "<" | "<=" | ">" | ">=" | "between" | "not_between" | "like" | "not_like" => 50,
            "+" | "-" | "||" => 60,
            "*" | "/" | "%" => 70,
            _ => return None,
        };
        Some(Self { word: token.word, precedence })
    }

    fn is_negated(self) -> bool {
        matches!(self.word, "is_not" | "not_in" | "not_between")
    }
}

fn negated(is_negated: bool, term: Term, place: Place) -> Term {
    if is_negated { Term::Not(Box::new(Expression { term, place })) } else { term }
}

/// What two sides and a symmetrical operator make.
fn joined(left: Expression, word: &'static str, right: Expression) -> Term {
    if let Some(comparator) = comparator(word) {
        return Term::Compare { comparator, left: Box::new(left), right: Box::new(right) };
    }
    if let Some(operator) = arithmetic(word) {
        return joined_arithmetic(left, operator, right);
    }
    match (word, left.term) {
        ("and", Term::And(mut terms)) => {
            terms.push(right);
            Term::And(terms)
        }
        ("and", term) => Term::And(vec![Expression { term, place: left.place }, right]),
        ("or", Term::Or(mut terms)) => {
            terms.push(right);
            Term::Or(terms)
        }
        ("or", term) => Term::Or(vec![Expression { term, place: left.place }, right]),
        (operator, term) => {
            Term::Other { operator, operands: vec![Expression { term, place: left.place }, right] }
        }
    }
}

fn joined_arithmetic(left: Expression, operator: ArithmeticOperator, right: Expression) -> Term {
    match left.term {
        // `a + b - c` is read from the left; `a + b * c` never comes here with a sum on its left.
        Term::Arithmetic { first, mut rest } => {
            rest.push((operator, right));
            Term::Arithmetic { first, rest }
        }
        term => {
            let first = Box::new(Expression { term, place: left.place });
            Term::Arithmetic { first, rest: vec![(operator, right)] }
        }
    }
}

fn comparator(word: &str) -> Option<Comparator> {
    Some(match word {
        "=" => Comparator::Equal,
        "<>" => Comparator::NotEqual,
        "<" => Comparator::Less,
        "<=" => Comparator::LessOrEqual,
        ">" => Comparator::Greater,
        ">=" => Comparator::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(word: &str) -> Option<ArithmeticOperator> {
    Some(match word {
        "+" => ArithmeticOperator::Plus,
        "-" => ArithmeticOperator::Minus,
        "*" => ArithmeticOperator::Times,
        "/" => ArithmeticOperator::Divide,
        "%" => ArithmeticOperator::Modulo,
        "||" => ArithmeticOperator::Concatenate,
        _ => return None,
    })
}

/// The number with the other sign.
fn opposite(text: String) -> String {
    match text.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{text}"),
    }
}

const AGGREGATES: [&str; 5] = ["count", "avg", "max", "min", "sum"];

/// Keywords that are functions.
const FUNCTION_WORDS: [&str; 17] = [
    "exists",
    "count",
    "avg",
    "max",
    "min",
    "sum",
    "char_length",
    "character_length",
    "octet_length",
    "bit_length",
    "upper",
    "lower",
    "size",
    "nullif",
    "coalesce",
    "list",
    "bag",
];

/// What may stand behind IS.
const TYPE_NAMES: [&str; 31] = [
    "missing",
    "null",
    "bool",
    "boolean",
    "smallint",
    "int",
    "integer",
    "float",
    "real",
    "double_precision",
    "dec",
    "decimal",
    "numeric",
    "date",
    "time",
    "timestamp",
    "char",
    "character",
    "varchar",
    "character_varying",
    "string",
    "symbol",
    "clob",
    "blob",
    "struct",
    "tuple",
    "list",
    "sexp",
    "bag",
    "int4",
    "int8",
];
