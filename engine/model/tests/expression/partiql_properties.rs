//! Trees said in PartiQL come back as they were, and no text does harm.

use basalt_model::expression::{Action, Condition, SetValue, Update, UpdateOperand};
use basalt_model::partiql::{BoundStatement, parse_statement};
use basalt_model::{IndexKeySchema, KeyAttribute, ScalarKind, Value};
use proptest::prelude::*;

use crate::generate;
use crate::partiql_printer::PartiqlPrinter;

/// A chain is one list to PartiQL, however it is grouped at its beginning.
fn flat(condition: Condition) -> Condition {
    match condition {
        Condition::And(terms) => {
            let mut terms: Vec<Condition> = terms.into_iter().map(flat).collect();
            if let Some(Condition::And(inner)) = terms.first_mut() {
                let inner = std::mem::take(inner);
                terms.splice(..1, inner);
            }
            Condition::And(terms)
        }
        Condition::Or(terms) => {
            let mut terms: Vec<Condition> = terms.into_iter().map(flat).collect();
            if let Some(Condition::Or(inner)) = terms.first_mut() {
                let inner = std::mem::take(inner);
                terms.splice(..1, inner);
            }
            Condition::Or(terms)
        }
        Condition::Not(term) => Condition::Not(Box::new(flat(*term))),
        leaf => leaf,
    }
}

fn has_if_not_exists(operand: &UpdateOperand) -> bool {
    match operand {
        UpdateOperand::IfNotExists { .. } => true,
        UpdateOperand::ListAppend { front, back } => has_if_not_exists(front) || has_if_not_exists(back),
        UpdateOperand::Path(_) | UpdateOperand::Constant(_) | UpdateOperand::Arithmetic(_) => false,
    }
}

/// What PartiQL can say: no ADD of numbers, no if_not_exists.
fn is_partiql(action: &Action) -> bool {
    match action {
        Action::Add { value, .. } => !matches!(value.value(), Value::N(_)),
        Action::Set { value: SetValue::Operand(operand), .. } => !has_if_not_exists(operand),
        _ => true,
    }
}

proptest! {
    #[test]
    fn conditions_come_back_as_they_were_said(condition in generate::condition()) {
        let mut printer = PartiqlPrinter::default();
        let text = format!("SELECT * FROM t WHERE {}", printer.condition(&condition));
        let bound = parse_statement(&text).unwrap().bind(&printer.parameters);
        let Ok(BoundStatement::Select(select)) = bound else { panic!("{text}: {bound:?}") };
        prop_assert_eq!(select.condition, Some(flat(condition)), "{}", text);
    }

    #[test]
    fn actions_come_back_as_they_were_said(actions in generate::actions()) {
        let actions: Vec<Action> = actions.into_iter().filter(is_partiql).collect();
        prop_assume!(!actions.is_empty());
        let mut printer = PartiqlPrinter::default();
        let changes: Vec<String> = actions.iter().map(|action| printer.action(action)).collect();
        let text = format!("UPDATE t {} WHERE pk = 1", changes.join("\n"));
        let bound = parse_statement(&text).unwrap().bind(&printer.parameters);
        let Ok(BoundStatement::Update(update)) = bound else { panic!("{text}: {bound:?}") };
        prop_assert_eq!(update.update, Update::new(actions).unwrap(), "{}", text);
    }

    #[test]
    fn no_text_does_harm(text in "\\PC{0,80}|(SELECT|FROM|WHERE|UPDATE|SET|INSERT INTO|VALUE|pk|sk|a|=|<|'x'|1|-|\\?|\\(|\\)|\\[|\\]|<<|>>|\\{|\\}|:|,|\\.|AND|OR|NOT|IN|IS|NULL| ){0,40}") {
        if let Ok(parsed) = parse_statement(&text) {
            let parameters = vec![Value::Null; parsed.parameter_count];
            let attribute = |name: &str| KeyAttribute { name: name.to_owned(), kind: ScalarKind::S };
            let key = IndexKeySchema { partition: vec![attribute("pk")], sort: vec![attribute("sk")] };
            match parsed.bind(&parameters) {
                Ok(BoundStatement::Select(select)) => drop((select.plan(&key), select.exact_key(&key))),
                Ok(BoundStatement::Exists(select)) => drop(select.checked_key(&key)),
                Ok(BoundStatement::Update(update)) => drop(update.key(&key)),
                Ok(BoundStatement::Delete(delete)) => drop(delete.key(&key)),
                Ok(BoundStatement::Insert(_)) | Err(_) => {}
            }
        }
    }
}
