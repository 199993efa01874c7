//! Writes trees back as text, so that parsing can be tested by parsing again. Every name becomes a placeholder.

use std::collections::BTreeMap;

use basalt_model::expression::{Action, Condition, Constant, Operand, Placeholders, SetValue, UpdateOperand};
use basalt_model::{DocumentPath, PathElement, Value};

/// A text with the placeholders it uses.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
}

impl Printer {
    pub(crate) fn placeholders(self) -> Placeholders {
        let names = (!self.names.is_empty()).then_some(self.names);
        let values = (!self.values.is_empty()).then_some(self.values);
        Placeholders::new(names, values).unwrap()
    }

    pub(crate) fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::And(terms) => {
                self.terms(terms, " AND ", |term| matches!(term, Condition::And(_) | Condition::Or(_)))
            }
            Condition::Or(terms) => self.terms(terms, " OR ", |term| matches!(term, Condition::Or(_))),
            Condition::Not(term) => match term.as_ref() {
                Condition::And(_) | Condition::Or(_) => format!("NOT ({})", self.condition(term)),
                _ => format!("NOT {}", self.condition(term)),
            },
            Condition::Compare { comparator, left, right } => {
                format!("{} {} {}", self.operand(left), comparator.symbol(), self.operand(right))
            }
            Condition::Between { value, lower, upper } => {
                format!("{} BETWEEN {} AND {}", self.operand(value), self.operand(lower), self.operand(upper))
            }
            Condition::In { value, candidates } => {
                let value = self.operand(value);
                let candidates: Vec<String> =
                    candidates.iter().map(|candidate| self.operand(candidate)).collect();
                format!("{value} IN ({})", candidates.join(", "))
            }
            Condition::Exists(path) => format!("attribute_exists({})", self.path(path)),
            Condition::NotExists(path) => format!("attribute_not_exists({})", self.path(path)),
            Condition::HasType { operand, kind } => {
                let name = Constant::new(Value::S(kind.name().to_owned()));
                format!("attribute_type({}, {})", self.operand(operand), self.constant(&name))
            }
            Condition::BeginsWith { operand, prefix } => {
                format!("begins_with({}, {})", self.operand(operand), self.operand(prefix))
            }
            Condition::Contains { operand, member } => {
                format!("contains({}, {})", self.operand(operand), self.operand(member))
            }
        }
    }

    pub(crate) fn update(&mut self, actions: &[Action]) -> String {
        let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for action in actions {
            let (section, text) = match action {
                Action::Set { path, value } => {
                    ("SET", format!("{} = {}", self.path(path), self.set_value(value)))
                }
                Action::Remove { path } => ("REMOVE", self.path(path)),
                Action::Add { path, value } => {
                    ("ADD", format!("{} {}", self.path(path), self.constant(value)))
                }
                Action::Delete { path, value } => {
                    ("DELETE", format!("{} {}", self.path(path), self.constant(value)))
                }
            };
            sections.entry(section).or_default().push(text);
        }
        let sections: Vec<String> = sections
            .into_iter()
            .map(|(section, actions)| format!("{section} {}", actions.join(", ")))
            .collect();
        sections.join(" ")
    }

    fn terms(
        &mut self,
        terms: &[Condition],
        operator: &str,
        needs_group: impl Fn(&Condition) -> bool,
    ) -> String {
        let terms: Vec<String> = terms
            .iter()
            .map(|term| {
                let text = self.condition(term);
                if needs_group(term) { format!("({text})") } else { text }
            })
            .collect();
        terms.join(operator)
    }

    fn set_value(&mut self, value: &SetValue) -> String {
        match value {
            SetValue::Operand(operand) => self.update_operand(operand),
            SetValue::Sum(left, right) => {
                format!("{} + {}", self.update_operand(left), self.update_operand(right))
            }
            SetValue::Difference(left, right) => {
                format!("({} - {})", self.update_operand(left), self.update_operand(right))
            }
        }
    }

    fn update_operand(&mut self, operand: &UpdateOperand) -> String {
        match operand {
            UpdateOperand::Path(path) => self.path(path),
            UpdateOperand::Constant(constant) => self.constant(constant),
            UpdateOperand::IfNotExists { path, otherwise } => {
                format!("if_not_exists({}, {})", self.path(path), self.update_operand(otherwise))
            }
            UpdateOperand::ListAppend { front, back } => {
                format!("list_append({}, ({}))", self.update_operand(front), self.update_operand(back))
            }
            UpdateOperand::Arithmetic(_) => unreachable!("no UpdateExpression nests arithmetic"),
        }
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Path(path) => self.path(path),
            Operand::Constant(constant) => self.constant(constant),
            Operand::Size(operand) => format!("size({})", self.operand(operand)),
        }
    }

    fn constant(&mut self, constant: &Constant) -> String {
        let key = format!(":v{}", self.values.len());
        self.values.insert(key.clone(), constant.value().clone());
        key
    }

    fn path(&mut self, path: &DocumentPath) -> String {
        let mut text = self.name(&path.name);
        for element in &path.rest {
            match element {
                PathElement::Name(name) => text = format!("{text}.{}", self.name(name)),
                PathElement::Index(index) => text = format!("{text}[{index}]"),
            }
        }
        text
    }

    fn name(&mut self, name: &str) -> String {
        if let Some((key, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return key.clone();
        }
        let key = format!("#n{}", self.names.len());
        self.names.insert(key.clone(), name.to_owned());
        key
    }
}
