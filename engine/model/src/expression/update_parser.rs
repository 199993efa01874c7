//! Parses updates. The values of `SET`, the only part that nests, are read by a machine with a stack of its own.
//!
//! ```text
//! update  := (SET path = value, … | REMOVE path, … | ADD path :value, … | DELETE path :value, …) …
//! value   := operand | operand + operand | operand - operand | ( value )
//! operand := path | :value | if_not_exists ( operand, operand ) | list_append ( operand, operand ) | ( operand )
//! ```
//!
//! One `+` or `-` is all that a value may hold.

use super::ast::Constant;
use super::error::{ExpressionError, ExpressionKind, Fault};
use super::faults::{FaultClass, Faults};
use super::lexer::TokenKind;
use super::parser::{Parser, parse_with};
use super::placeholders::Placeholders;
use super::update::{Action, SetValue, Update, UpdateOperand};
use crate::path::DocumentPath;
use crate::value::ValueKind;

/// Parses an UpdateExpression.
pub fn parse_update(text: &str, placeholders: &mut Placeholders) -> Result<Update, ExpressionError> {
    parse_with(ExpressionKind::Update, text, placeholders, parse)
}

/// The four sections, in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

impl Section {
    const ALL: [Self; 4] = [Self::Set, Self::Remove, Self::Add, Self::Delete];

    const fn keyword(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Remove => "REMOVE",
            Self::Add => "ADD",
            Self::Delete => "DELETE",
        }
    }
}

fn parse(mut parser: Parser<'_>) -> Result<Update, Fault> {
    let mut actions = Vec::new();
    let mut sections = Vec::new();
    loop {
        let section = Section::ALL.into_iter().find(|section| parser.accept_keyword(section.keyword()));
        let section = section.ok_or_else(|| parser.syntax_fault())?;
        parse_section(&mut parser, section, &mut actions)?;
        if sections.contains(&section) {
            let fault = Fault::RepeatedSection { section: section.keyword() };
            parser.faults.record(FaultClass::RepeatedSection, fault);
        }
        sections.push(section);
        if parser.token().kind == TokenKind::End {
            break;
        }
    }
    parser.check_operator_count();
    Update::checked(actions, &mut parser.faults)
}

fn parse_section(parser: &mut Parser<'_>, section: Section, actions: &mut Vec<Action>) -> Result<(), Fault> {
    loop {
        actions.push(parse_action(parser, section)?);
        if !parser.accept(TokenKind::Comma) {
            return Ok(());
        }
    }
}

fn parse_action(parser: &mut Parser<'_>, section: Section) -> Result<Action, Fault> {
    let path = parser.path()?;
    Ok(match section {
        Section::Remove => Action::Remove { path },
        Section::Set => {
            parser.expect(TokenKind::Equal)?;
            let value = SetValueParser { parser, frames: Vec::new(), last_group: None }.parse()?;
            Action::Set { path, value }
        }
        Section::Add => Action::Add { path, value: parse_action_operand(parser, section)? },
        Section::Delete => Action::Delete { path, value: parse_action_operand(parser, section)? },
    })
}

/// The operand of `ADD` or `DELETE`: a set or, for `ADD`, a number.
fn parse_action_operand(parser: &mut Parser<'_>, section: Section) -> Result<Constant, Fault> {
    let constant = parser.constant()?;
    let kind = constant.kind();
    let fits = match kind {
        ValueKind::Ss | ValueKind::Ns | ValueKind::Bs => true,
        ValueKind::N => section == Section::Add,
        _ => false,
    };
    if !fits {
        let fault = Fault::ActionOperandType { action: section.keyword(), kind };
        parser.faults.record(FaultClass::ActionOperand, fault);
    }
    Ok(constant)
}

struct SetValueParser<'p, 'a> {
    parser: &'p mut Parser<'a>,
    frames: Vec<Frame>,
    /// Positions of the parentheses of the group that was closed last.
    last_group: Option<(usize, usize)>,
}

/// What is begun and waits for the next term.
enum Frame {
    Group { open: usize, content: Content },
    Arithmetic { operator: Operator, left: UpdateOperand },
    Call { function: String, arguments: Vec<UpdateOperand> },
}

/// What may stand somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Operand,
    Any,
}

#[derive(Clone, Copy)]
enum Operator {
    Plus,
    Minus,
}

impl Operator {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

/// What giving a term to the innermost frame came to.
enum Progress {
    Term(SetValue),
    NeedTerm,
    Finished(SetValue),
}

impl SetValueParser<'_, '_> {
    fn parse(mut self) -> Result<SetValue, Fault> {
        loop {
            let mut term = SetValue::Operand(self.next_operand()?);
            loop {
                match self.complete(term)? {
                    Progress::Term(larger) => term = larger,
                    Progress::NeedTerm => break,
                    Progress::Finished(value) => return Ok(value),
                }
            }
        }
    }

    /// Opens groups and calls until a path or a constant comes.
    fn next_operand(&mut self) -> Result<UpdateOperand, Fault> {
        loop {
            if self.parser.token().kind == TokenKind::OpenParenthesis {
                let frame = Frame::Group { open: self.parser.position(), content: self.content() };
                self.frames.push(frame);
                self.parser.advance();
            } else if let Some(function) = self.parser.accept_call() {
                self.frames.push(Frame::Call { function: function.to_owned(), arguments: Vec::new() });
            } else if self.parser.token().kind == TokenKind::Value {
                return Ok(UpdateOperand::Constant(self.parser.constant()?));
            } else {
                return Ok(UpdateOperand::Path(self.parser.path()?));
            }
        }
    }

    fn content(&self) -> Content {
        match self.frames.last() {
            None => Content::Any,
            Some(Frame::Group { content, .. }) => *content,
            Some(Frame::Arithmetic { .. } | Frame::Call { .. }) => Content::Operand,
        }
    }

    fn complete(&mut self, term: SetValue) -> Result<Progress, Fault> {
        let content = self.content();
        match (self.frames.pop(), term) {
            (Some(Frame::Group { open, .. }), term) if self.at(TokenKind::CloseParenthesis) => {
                self.close_group(open);
                Ok(Progress::Term(term))
            }
            (frame, SetValue::Operand(left)) if content == Content::Any && self.at_operator().is_some() => {
                self.frames.extend(frame);
                self.begin_arithmetic(left);
                Ok(Progress::NeedTerm)
            }
            (None, value) => Ok(Progress::Finished(value)),
            (Some(Frame::Arithmetic { operator, left }), SetValue::Operand(right)) => {
                Ok(Progress::Term(self.arithmetic(operator, left, right)))
            }
            (Some(Frame::Call { function, arguments }), SetValue::Operand(operand)) => {
                self.complete_argument(function, arguments, operand)
            }
            _ => Err(self.parser.syntax_fault()),
        }
    }

    fn close_group(&mut self, open: usize) {
        let close = self.parser.position();
        self.parser.advance();
        if self.last_group == Some((open + 1, close - 1)) {
            self.parser.faults.record(FaultClass::Parentheses, Fault::RedundantParentheses);
        }
        self.last_group = Some((open, close));
    }

    fn begin_arithmetic(&mut self, left: UpdateOperand) {
        if let Some(operator) = self.at_operator() {
            self.parser.advance();
            self.parser.count_operator();
            self.frames.push(Frame::Arithmetic { operator, left });
        }
    }

    fn arithmetic(&mut self, operator: Operator, left: UpdateOperand, right: UpdateOperand) -> SetValue {
        for operand in [&left, &right] {
            check_constant(operator.symbol(), operand, ValueKind::N, &mut self.parser.faults);
        }
        match operator {
            Operator::Plus => SetValue::Sum(left, right),
            Operator::Minus => SetValue::Difference(left, right),
        }
    }

    fn complete_argument(
        &mut self,
        function: String,
        mut arguments: Vec<UpdateOperand>,
        operand: UpdateOperand,
    ) -> Result<Progress, Fault> {
        arguments.push(operand);
        if self.parser.accept(TokenKind::Comma) {
            self.frames.push(Frame::Call { function, arguments });
            return Ok(Progress::NeedTerm);
        }
        self.parser.expect(TokenKind::CloseParenthesis)?;
        let operand = call_function(function, arguments, &mut self.parser.faults);
        Ok(Progress::Term(SetValue::Operand(operand)))
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.parser.token().kind == kind
    }

    fn at_operator(&self) -> Option<Operator> {
        match self.parser.token().kind {
            TokenKind::Plus => Some(Operator::Plus),
            TokenKind::Minus => Some(Operator::Minus),
            _ => None,
        }
    }
}

const IF_NOT_EXISTS: &str = "if_not_exists";
const LIST_APPEND: &str = "list_append";

/// Calls a function by its name, which is case-sensitive. Both take two operands.
fn call_function(function: String, arguments: Vec<UpdateOperand>, faults: &mut Faults) -> UpdateOperand {
    let Some(function) = [IF_NOT_EXISTS, LIST_APPEND].into_iter().find(|name| *name == function) else {
        faults.record(FaultClass::UnknownFunction, Fault::UnknownFunction { function });
        return nothing();
    };
    let count = arguments.len();
    let Ok([first, second]) = <[UpdateOperand; 2]>::try_from(arguments) else {
        faults.record(FaultClass::Operand, Fault::OperandCount { operator: function, count });
        return nothing();
    };
    if function == LIST_APPEND {
        for operand in [&first, &second] {
            check_constant(LIST_APPEND, operand, ValueKind::L, faults);
        }
        return UpdateOperand::ListAppend { front: Box::new(first), back: Box::new(second) };
    }
    let UpdateOperand::Path(path) = first else {
        faults.record(FaultClass::Operand, Fault::NotAPath { function: IF_NOT_EXISTS });
        return nothing();
    };
    UpdateOperand::IfNotExists { path, otherwise: Box::new(second) }
}

/// Refuses a constant that is not of the one type an operator takes.
fn check_constant(operator: &'static str, operand: &UpdateOperand, wanted: ValueKind, faults: &mut Faults) {
    if let UpdateOperand::Constant(constant) = operand
        && constant.kind() != wanted
    {
        faults.record(FaultClass::Operand, Fault::OperandType { operator, kind: constant.kind() });
    }
}

/// Stands for an operand about which a fault is recorded: of no known type, so that it causes no other.
fn nothing() -> UpdateOperand {
    UpdateOperand::Path(DocumentPath::attribute(""))
}
