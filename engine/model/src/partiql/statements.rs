//! The grammar of statements, which are terms of the grammar of expressions.

use super::ast::{
    Change, Delete, Expression, Insert, OrderTerm, Returning, Select, SortOrder, Source, Statement, Term,
    Update,
};
use super::error::StatementError;
use super::lexer::{TokenKind, tokenize};
use super::parser::{LOWEST, Parser};

/// A statement and how many parameters it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedStatement {
    /// What it says.
    pub statement: Statement,
    /// Its question marks.
    pub parameter_count: usize,
}

/// Parses one statement.
pub fn parse_statement(text: &str) -> Result<ParsedStatement, StatementError> {
    let mut parser = Parser::new(tokenize(text)?);
    let expression = parser.expression(LOWEST)?;
    if parser.accept(TokenKind::Semicolon) {
        parser.expect_end("Unexpected token after semicolon. (Only one query is allowed.)")?;
    } else {
        parser.expect_end("Unexpected token after expression")?;
    }
    Ok(ParsedStatement { statement: statement_of(expression)?, parameter_count: parser.parameter_count() })
}

fn statement_of(expression: Expression) -> Result<Statement, StatementError> {
    match expression.term {
        Term::Select(select) => Ok(Statement::Select(*select)),
        Term::Change(statement) => Ok(*statement),
        Term::Call { function, mut arguments } if function == "exists" && arguments.len() == 1 => {
            match arguments.pop().map(|argument| argument.term) {
                Some(Term::Select(select)) => Ok(Statement::Exists(*select)),
                _ => Err(StatementError::UnknownFunction { function, place: expression.place }),
            }
        }
        other => Err(StatementError::UnsupportedOperation { kind: other.kind_name().to_owned() }),
    }
}

impl Parser<'_> {
    /// The statement that begins here, if one does.
    pub(super) fn statement_term(&mut self) -> Result<Option<Term>, StatementError> {
        let word = self.word();
        if !matches!(word, "select" | "insert_into" | "update" | "delete" | "from" | "set" | "remove") {
            return Ok(None);
        }
        self.advance();
        let statement = match word {
            "select" => return Ok(Some(Term::Select(Box::new(self.select()?)))),
            "insert_into" => Statement::Insert(self.insert()?),
            "update" => Statement::Update(self.update()?),
            "delete" => Statement::Delete(self.delete()?),
            "from" => Statement::Update(self.update_from()?),
            _ => return Err(StatementError::malformed("Expected data manipulation")),
        };
        Ok(Some(Term::Change(Box::new(statement))))
    }

    fn expect_end(&mut self, otherwise: &str) -> Result<(), StatementError> {
        if self.token().kind == TokenKind::End { Ok(()) } else { Err(StatementError::malformed(otherwise)) }
    }

    fn select(&mut self) -> Result<Select, StatementError> {
        for clause in ["distinct", "value"] {
            if self.word() == clause {
                return Err(StatementError::UnsupportedClause { clause: self.word() });
            }
        }
        let mut has_alias = false;
        let columns = match self.accept(TokenKind::Star) {
            true if self.token().kind == TokenKind::Comma => {
                let detail = "Other expressions may not be present in the select list when '*' is used without \
                              dot notation.";
                return Err(StatementError::malformed(detail));
            }
            true => None,
            false => Some(self.columns(&mut has_alias)?),
        };
        if !self.accept_word("from") {
            return Err(StatementError::malformed("Expected FROM after SELECT list"));
        }
        let path = self.expression(LOWEST)?;
        let source = self.source(path)?;
        let condition = self.condition()?;
        let order = if self.accept_word("order") { self.order()? } else { Vec::new() };
        self.refuse_other_clauses()?;
        Ok(Select { columns, has_alias, source, condition, order })
    }

    fn columns(&mut self, has_alias: &mut bool) -> Result<Vec<Expression>, StatementError> {
        let mut columns = Vec::new();
        loop {
            columns.push(self.expression(LOWEST)?);
            *has_alias |= self.alias()?;
            if !self.accept(TokenKind::Comma) {
                return Ok(columns);
            }
        }
    }

    /// A table's path was read; another name may follow.
    fn source(&mut self, path: Expression) -> Result<Source, StatementError> {
        let has_alias = self.alias()?;
        Ok(Source { path, has_alias })
    }

    /// Reads `AS name`, `name`, `AT name` and `BY name`; whether any was there.
    fn alias(&mut self) -> Result<bool, StatementError> {
        let mut found = false;
        for word in ["as", "at", "by"] {
            if self.accept_word(word) {
                if !self.accept_name() {
                    let detail = format!("Expected identifier for {}-alias", word.to_ascii_uppercase());
                    return Err(StatementError::malformed(detail));
                }
                found = true;
            } else if word == "as" {
                found = self.accept_name();
            }
        }
        Ok(found)
    }

    fn accept_name(&mut self) -> bool {
        self.accept(TokenKind::Identifier) || self.accept(TokenKind::QuotedIdentifier)
    }

    fn condition(&mut self) -> Result<Option<Expression>, StatementError> {
        if self.accept_word("where") { self.expression(LOWEST).map(Some) } else { Ok(None) }
    }

    fn order(&mut self) -> Result<Vec<OrderTerm>, StatementError> {
        if !self.accept_word("by") {
            return Err(StatementError::malformed("Expected BY"));
        }
        let mut terms = Vec::new();
        loop {
            let attribute = self.expression(LOWEST)?;
            let order = match self.accept_word("desc") {
                true => SortOrder::Descending,
                false => {
                    self.accept_word("asc");
                    SortOrder::Ascending
                }
            };
            terms.push(OrderTerm { attribute, order });
            if !self.accept(TokenKind::Comma) {
                return Ok(terms);
            }
        }
    }

    fn refuse_other_clauses(&self) -> Result<(), StatementError> {
        let clause = match self.word() {
            "limit" => "LIMIT",
            "group" => "GROUP BY",
            "having" => "HAVING",
            "let" => "LET",
            _ => return Ok(()),
        };
        Err(StatementError::UnsupportedClause { clause })
    }

    fn insert(&mut self) -> Result<Insert, StatementError> {
        let source = Source { path: self.simple_path()?, has_alias: false };
        let is_value = self.accept_word("value");
        let item = self.expression(LOWEST)?;
        let returning = self.returning()?;
        if !is_value {
            // What follows it is told first: an alias, for one, is taken for the items here.
            self.expect_end("Unexpected token after expression")?;
            return Err(StatementError::UnsupportedOperation { kind: "Insert".to_owned() });
        }
        Ok(Insert { source, item, returning })
    }

    fn update(&mut self) -> Result<Update, StatementError> {
        let path = self.simple_path()?;
        let source = self.source(path)?;
        let changes = self.changes()?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        Ok(Update { source, changes, condition, returning })
    }

    /// `FROM table WHERE … SET …`
    fn update_from(&mut self) -> Result<Update, StatementError> {
        let path = self.expression(LOWEST)?;
        let source = self.source(path)?;
        let condition = self.condition()?;
        let changes = self.changes()?;
        let returning = self.returning()?;
        Ok(Update { source, changes, condition, returning })
    }

    fn delete(&mut self) -> Result<Delete, StatementError> {
        if !self.accept_word("from") {
            return Err(StatementError::malformed("Expected FROM after DELETE"));
        }
        let path = self.simple_path()?;
        let source = self.source(path)?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        Ok(Delete { source, condition, returning })
    }

    fn changes(&mut self) -> Result<Vec<Change>, StatementError> {
        let mut changes = Vec::new();
        loop {
            if self.accept_word("set") {
                self.assignments(&mut changes)?;
            } else if self.accept_word("remove") {
                changes.push(Change::Remove { target: self.simple_path()? });
            } else if changes.is_empty() {
                return Err(StatementError::malformed("Expected data manipulation"));
            } else {
                return Ok(changes);
            }
        }
    }

    fn assignments(&mut self, changes: &mut Vec<Change>) -> Result<(), StatementError> {
        loop {
            let target = self.simple_path()?;
            if !self.accept_word("=") {
                return Err(StatementError::malformed("Expected '='"));
            }
            changes.push(Change::Set { target, value: self.expression(LOWEST)? });
            if !self.accept(TokenKind::Comma) {
                return Ok(());
            }
        }
    }

    fn returning(&mut self) -> Result<Option<Returning>, StatementError> {
        if !self.accept_word("returning") {
            return Ok(None);
        }
        let returning = match self.word() {
            "all_old" => Returning::AllOld,
            "modified_old" => Returning::ModifiedOld,
            "all_new" => Returning::AllNew,
            "modified_new" => Returning::ModifiedNew,
            _ => {
                let detail = "Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.";
                return Err(StatementError::malformed(detail));
            }
        };
        self.advance();
        if !self.accept(TokenKind::Star) {
            return Err(StatementError::malformed("Unsupported syntax in RETURNING columns."));
        }
        Ok(Some(returning))
    }
}
