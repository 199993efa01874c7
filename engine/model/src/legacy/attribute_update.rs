//! AttributeUpdates: one action for each of some attributes.

use super::{Argument, LegacyFault};
use crate::expression::{Action, Constant, ExpressionError, SetValue, Update, UpdateOperand};
use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// What is done to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateAction {
    /// `PUT`: it gets the value.
    #[default]
    Put,
    /// `ADD`: to a number, or members to a set, or elements to the end of a list.
    Add,
    /// `DELETE`: members of a set, or the whole attribute.
    Delete,
}

/// An action with a value that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeUpdate {
    attribute: String,
    action: UpdateAction,
    value: Option<Value>,
}

impl AttributeUpdate {
    /// Takes an action and its value, if it takes it.
    pub fn new(
        attribute: impl Into<String>,
        action: UpdateAction,
        value: Option<Argument>,
    ) -> Result<Self, LegacyFault> {
        let value = value.transpose()?;
        match &value {
            None if action != UpdateAction::Delete => return Err(LegacyFault::OnlyDeleteWithoutValue),
            Some(value) if !action.takes_kind(value.kind()) => {
                return Err(LegacyFault::UpdateActionType { action, kind: value.kind() });
            }
            _ => {}
        }
        Ok(Self { attribute: attribute.into(), action, value })
    }

    fn into_action(self) -> Action {
        let path = DocumentPath::attribute(self.attribute);
        match (self.action, self.value) {
            (_, None) => Action::Remove { path },
            (UpdateAction::Delete, Some(value)) => Action::Delete { path, value: Constant::new(value) },
            (UpdateAction::Add, Some(list @ Value::L(_))) => appending(path, list),
            (UpdateAction::Add, Some(value)) => Action::Add { path, value: Constant::new(value) },
            (UpdateAction::Put, Some(value)) => {
                let value = UpdateOperand::Constant(Constant::new(value));
                Action::Set { path, value: SetValue::Operand(value) }
            }
        }
    }
}

impl UpdateAction {
    fn takes_kind(self, kind: ValueKind) -> bool {
        let is_set = matches!(kind, ValueKind::Ss | ValueKind::Ns | ValueKind::Bs);
        match self {
            Self::Put => true,
            Self::Add => is_set || matches!(kind, ValueKind::N | ValueKind::L),
            Self::Delete => is_set,
        }
    }
}

/// The update that AttributeUpdates stands for.
pub fn update(updates: Vec<AttributeUpdate>) -> Result<Update, ExpressionError> {
    Update::new(updates.into_iter().map(AttributeUpdate::into_action).collect())
}

/// Appends a list to what is there, or to nothing.
fn appending(path: DocumentPath, list: Value) -> Action {
    let constant = |value| Box::new(UpdateOperand::Constant(Constant::new(value)));
    let front = UpdateOperand::IfNotExists { path: path.clone(), otherwise: constant(Value::L(Vec::new())) };
    let appended = UpdateOperand::ListAppend { front: Box::new(front), back: constant(list) };
    Action::Set { path, value: SetValue::Operand(appended) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{EncodedItem, Item};
    use crate::number::Number;

    fn number(text: &str) -> Value {
        Value::N(Number::parse(text).unwrap())
    }

    fn texts(members: &[&str]) -> Value {
        Value::string_set(members.iter().map(|member| (*member).to_owned()).collect()).unwrap()
    }

    fn updated(item: &[(&str, Value)], updates: &[(&str, UpdateAction, Option<Value>)]) -> EncodedItem {
        let item = Item::from_iter(item.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let updates = updates.iter().map(|(name, action, value)| {
            AttributeUpdate::new(*name, *action, value.clone().map(Ok)).unwrap()
        });
        let update = update(updates.collect()).unwrap();
        update.apply(Some(item.encode().as_item()), &Item::new()).unwrap()
    }

    #[test]
    fn actions_put_add_and_delete() {
        let old = [
            ("count", number("5")),
            ("gone", number("1")),
            ("list", Value::L(vec![number("1")])),
            ("set", texts(&["a", "b"])),
        ];
        let new = updated(
            &old,
            &[
                ("count", UpdateAction::Add, Some(number("-7"))),
                ("fresh", UpdateAction::Add, Some(number("3"))),
                ("gone", UpdateAction::Delete, None),
                ("list", UpdateAction::Add, Some(Value::L(vec![number("2")]))),
                ("new.list", UpdateAction::Add, Some(Value::L(vec![number("3")]))),
                ("put", UpdateAction::Put, Some(Value::Null)),
                ("set", UpdateAction::Delete, Some(texts(&["a", "z"]))),
            ],
        );
        let wanted = [
            ("count", number("-2")),
            ("fresh", number("3")),
            ("list", Value::L(vec![number("1"), number("2")])),
            ("new.list", Value::L(vec![number("3")])),
            ("put", Value::Null),
            ("set", texts(&["b"])),
        ];
        let wanted = Item::from_iter(wanted.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(new.as_bytes(), wanted.encode().as_bytes());
    }

    #[test]
    fn actions_refuse_what_they_do_not_take() {
        let told = |action, value: Option<Value>| {
            let fault = AttributeUpdate::new("a", action, value.map(Ok)).unwrap_err().to_string();
            fault.strip_prefix("One or more parameter values were invalid: ").unwrap().to_owned()
        };
        let only_delete = "Only DELETE action is allowed when no attribute value is specified";
        assert_eq!(told(UpdateAction::Put, None), only_delete);
        assert_eq!(told(UpdateAction::Add, None), only_delete);
        assert_eq!(
            told(UpdateAction::Delete, Some(number("1"))),
            "DELETE action with value is not supported for the type N"
        );
        assert_eq!(
            told(UpdateAction::Add, Some(Value::S(String::new()))),
            "ADD action is not supported for the type S"
        );
    }
}
