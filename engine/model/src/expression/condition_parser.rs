//! Parses conditions, filters and key conditions: a machine with a stack of its own, so that no nesting of the text
//! reaches the stack of the thread.
//!
//! ```text
//! condition := condition OR condition | condition AND condition | NOT condition | ( condition )
//!            | operand comparator operand | operand BETWEEN operand AND operand | operand IN ( operand, … )
//!            | function
//! operand   := path | :value | function | ( operand )
//! path      := name | #name | ( path ) | path . name | path [ index ]
//! function  := name ( operand, … )
//! ```
//!
//! `NOT` binds tighter than `AND`, `AND` tighter than `OR`. Whether `(` groups a condition, an operand or a path is
//! known only at its end, so a group simply hands on what it held.

use super::ast::{Comparator, Condition, Operand};
use super::checks::{self, Simple};
use super::error::{ExpressionError, ExpressionKind, Fault};
use super::faults::{CONDITION_ORDER, FaultClass};
use super::lexer::TokenKind;
use super::parser::{Parser, parse_with};
use super::placeholders::Placeholders;

/// Parses a ConditionExpression or a FilterExpression.
pub fn parse_condition(
    kind: ExpressionKind,
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<Condition, ExpressionError> {
    parse_with(kind, text, placeholders, |parser| ConditionParser::new(parser).parse())
}

struct ConditionParser<'a> {
    parser: Parser<'a>,
    frames: Vec<Frame>,
    /// Positions of the parentheses of the group that was closed last.
    last_group: Option<(usize, usize)>,
}

/// What is begun and waits for the next term.
enum Frame {
    Or(Vec<Condition>),
    And(Vec<Condition>),
    Not,
    Group { open: usize, content: Content },
    Compare { comparator: Comparator, left: Operand },
    Between { value: Operand },
    BetweenUpper { value: Operand, lower: Operand },
    In { value: Operand, candidates: Vec<Operand> },
    Call { function: String, arguments: Vec<Simple> },
}

/// What may stand somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Operand,
    Any,
}

/// What was read, while what follows is not known yet.
enum Term {
    /// Becomes an operand or, if it is a function, a condition.
    Simple(Simple),
    Condition(Condition),
}

/// What giving a term to the innermost frame came to.
enum Progress {
    /// A larger term, for the next frame.
    Term(Term),
    NeedTerm,
    Finished(Condition),
}

impl<'a> ConditionParser<'a> {
    fn new(parser: Parser<'a>) -> Self {
        Self { parser, frames: Vec::new(), last_group: None }
    }

    fn parse(mut self) -> Result<Condition, Fault> {
        loop {
            let term = self.next_term()?;
            if let Some(condition) = self.complete(term)? {
                self.parser.check_operator_count();
                self.parser.faults.check(CONDITION_ORDER)?;
                return Ok(condition);
            }
        }
    }

    /// Opens groups, negations and calls until a path or a constant comes.
    fn next_term(&mut self) -> Result<Term, Fault> {
        loop {
            let content = self.content();
            if self.parser.token().kind == TokenKind::OpenParenthesis {
                self.frames.push(Frame::Group { open: self.parser.position(), content });
                self.parser.advance();
            } else if content == Content::Any && self.accept_operator("NOT") {
                self.frames.push(Frame::Not);
            } else if let Some(function) = self.parser.accept_call() {
                self.frames.push(Frame::Call { function: function.to_owned(), arguments: Vec::new() });
            } else if self.parser.token().kind == TokenKind::Value {
                return Ok(Term::Simple(Simple::Constant(self.parser.constant()?)));
            } else {
                return Ok(Term::Simple(Simple::Path(self.parser.path()?)));
            }
        }
    }

    /// What may stand here.
    fn content(&self) -> Content {
        match self.frames.last() {
            None | Some(Frame::Or(_) | Frame::And(_) | Frame::Not) => Content::Any,
            Some(Frame::Group { content, .. }) => *content,
            Some(_) => Content::Operand,
        }
    }

    /// Gives a term to the frames that wait for it; the whole condition once nothing is left.
    fn complete(&mut self, mut term: Term) -> Result<Option<Condition>, Fault> {
        loop {
            let progress = match (self.content(), term) {
                (_, inner) if self.at_end_of_group() => Progress::Term(self.close_group(inner)?),
                (Content::Operand, Term::Simple(simple)) => self.complete_operand(simple)?,
                (Content::Operand, Term::Condition(_)) => return Err(self.parser.syntax_fault()),
                (Content::Any, Term::Simple(simple)) => self.complete_simple(simple)?,
                (Content::Any, Term::Condition(condition)) => self.complete_condition(condition)?,
            };
            match progress {
                Progress::Term(larger) => term = larger,
                Progress::NeedTerm => return Ok(None),
                Progress::Finished(condition) => return Ok(Some(condition)),
            }
        }
    }

    fn at_end_of_group(&self) -> bool {
        let in_group = matches!(self.frames.last(), Some(Frame::Group { .. }));
        in_group && self.parser.token().kind == TokenKind::CloseParenthesis
    }

    fn close_group(&mut self, inner: Term) -> Result<Term, Fault> {
        let close = self.parser.position();
        self.parser.advance();
        if let Some(Frame::Group { open, .. }) = self.frames.pop() {
            if self.last_group == Some((open + 1, close - 1)) {
                self.parser.faults.record(FaultClass::Parentheses, Fault::RedundantParentheses);
            }
            self.last_group = Some((open, close));
        }
        // Only the group of a path may go on: `(a).b`.
        let Term::Simple(Simple::Path(mut path)) = inner else { return Ok(inner) };
        self.parser.path_rest(&mut path)?;
        Ok(Term::Simple(Simple::Path(path)))
    }

    /// An operand was read where a condition may stand: it begins a comparison, or is a function by itself.
    fn complete_simple(&mut self, simple: Simple) -> Result<Progress, Fault> {
        if let Some(comparator) = self.accept_comparator() {
            let left = self.operand(simple);
            self.frames.push(Frame::Compare { comparator, left });
            return Ok(Progress::NeedTerm);
        }
        if self.accept_operator("BETWEEN") {
            let value = self.operand(simple);
            self.frames.push(Frame::Between { value });
            return Ok(Progress::NeedTerm);
        }
        if self.accept_operator("IN") {
            self.parser.expect(TokenKind::OpenParenthesis)?;
            let value = self.operand(simple);
            self.frames.push(Frame::In { value, candidates: Vec::new() });
            return Ok(Progress::NeedTerm);
        }
        let condition = checks::into_condition(simple, &mut self.parser.faults);
        let condition = condition.ok_or_else(|| self.parser.syntax_fault())?;
        self.leaf(condition)
    }

    /// A condition was read: the innermost operator takes it, unless a tighter one follows.
    fn complete_condition(&mut self, condition: Condition) -> Result<Progress, Fault> {
        if self.frames.pop_if(|frame| matches!(frame, Frame::Not)).is_some() {
            return Ok(larger(Condition::Not(Box::new(condition))));
        }
        if self.accept_operator("AND") {
            match self.frames.last_mut() {
                Some(Frame::And(terms)) => terms.push(condition),
                _ => self.frames.push(Frame::And(vec![condition])),
            }
            return Ok(Progress::NeedTerm);
        }
        if let Some(Frame::And(mut terms)) = self.frames.pop_if(|frame| matches!(frame, Frame::And(_))) {
            terms.push(condition);
            return Ok(larger(Condition::And(terms)));
        }
        if self.accept_operator("OR") {
            match self.frames.last_mut() {
                Some(Frame::Or(terms)) => terms.push(condition),
                _ => self.frames.push(Frame::Or(vec![condition])),
            }
            return Ok(Progress::NeedTerm);
        }
        if let Some(Frame::Or(mut terms)) = self.frames.pop_if(|frame| matches!(frame, Frame::Or(_))) {
            terms.push(condition);
            return Ok(larger(Condition::Or(terms)));
        }
        if self.frames.is_empty() && self.parser.token().kind == TokenKind::End {
            return Ok(Progress::Finished(condition));
        }
        Err(self.parser.syntax_fault())
    }

    /// An operand was read where only an operand may stand.
    fn complete_operand(&mut self, simple: Simple) -> Result<Progress, Fault> {
        match self.frames.pop() {
            Some(Frame::Compare { comparator, left }) => {
                let right = self.operand(simple);
                self.leaf(Condition::Compare { comparator, left, right })
            }
            Some(Frame::Between { value }) => {
                let lower = self.operand(simple);
                if !self.parser.accept_keyword("AND") {
                    return Err(self.parser.syntax_fault());
                }
                self.frames.push(Frame::BetweenUpper { value, lower });
                Ok(Progress::NeedTerm)
            }
            Some(Frame::BetweenUpper { value, lower }) => {
                let upper = self.operand(simple);
                self.leaf(Condition::Between { value, lower, upper })
            }
            Some(Frame::In { value, mut candidates }) => {
                candidates.push(self.operand(simple));
                if self.parser.accept(TokenKind::Comma) {
                    self.frames.push(Frame::In { value, candidates });
                    return Ok(Progress::NeedTerm);
                }
                self.parser.expect(TokenKind::CloseParenthesis)?;
                self.leaf(Condition::In { value, candidates })
            }
            Some(Frame::Call { function, mut arguments }) => {
                arguments.push(simple);
                if self.parser.accept(TokenKind::Comma) {
                    self.frames.push(Frame::Call { function, arguments });
                    return Ok(Progress::NeedTerm);
                }
                self.parser.expect(TokenKind::CloseParenthesis)?;
                let result = checks::call_function(function, arguments, &mut self.parser.faults);
                Ok(Progress::Term(Term::Simple(result)))
            }
            // A group of an operand that does not end here.
            _ => Err(self.parser.syntax_fault()),
        }
    }

    /// A comparison or a function is complete: its faults are judged together.
    fn leaf(&mut self, condition: Condition) -> Result<Progress, Fault> {
        checks::check_leaf(&condition, &mut self.parser.faults);
        self.parser.faults.settle_leaf();
        Ok(larger(condition))
    }

    fn operand(&mut self, simple: Simple) -> Operand {
        checks::into_operand(simple, &mut self.parser.faults)
    }

    fn accept_operator(&mut self, keyword: &str) -> bool {
        let found = self.parser.accept_keyword(keyword);
        if found {
            self.parser.count_operator();
        }
        found
    }

    fn accept_comparator(&mut self) -> Option<Comparator> {
        let comparator = match self.parser.token().kind {
            TokenKind::Equal => Comparator::Equal,
            TokenKind::NotEqual => Comparator::NotEqual,
            TokenKind::Less => Comparator::Less,
            TokenKind::LessOrEqual => Comparator::LessOrEqual,
            TokenKind::Greater => Comparator::Greater,
            TokenKind::GreaterOrEqual => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.parser.advance();
        self.parser.count_operator();
        Some(comparator)
    }
}

fn larger(condition: Condition) -> Progress {
    Progress::Term(Term::Condition(condition))
}
