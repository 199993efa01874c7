//! Writes conditions and actions as PartiQL. Constants that PartiQL has no literal for become parameters.

use basalt_model::expression::{Action, Condition, Constant, Operand, SetValue, UpdateOperand};
use basalt_model::{DocumentPath, PathElement, Value};

/// A text with its parameters.
#[derive(Debug, Default)]
pub(crate) struct PartiqlPrinter {
    pub(crate) parameters: Vec<Value>,
}

impl PartiqlPrinter {
    pub(crate) fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::And(terms) => self.terms(terms, " AND "),
            Condition::Or(terms) => self.terms(terms, " or "),
            Condition::Not(term) => format!("NOT {}", self.grouped(term)),
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
            Condition::Exists(path) => format!("ATTRIBUTE_EXISTS ({})", path_text(path)),
            Condition::NotExists(path) => format!("{} IS MISSING", path_text(path)),
            Condition::HasType { operand, kind } => {
                format!("attribute_type({}, '{}')", self.operand(operand), kind.name())
            }
            Condition::BeginsWith { operand, prefix } => {
                format!("begins_with({}, {})", self.operand(operand), self.operand(prefix))
            }
            Condition::Contains { operand, member } => {
                format!("contains({}, {})", self.operand(operand), self.operand(member))
            }
        }
    }

    pub(crate) fn action(&mut self, action: &Action) -> String {
        let path = path_text(action.path());
        match action {
            Action::Remove { .. } => format!("REMOVE {path}"),
            Action::Set { value, .. } => format!("SET {path} = {}", self.set_value(value)),
            Action::Add { value, .. } => format!("SET {path} = set_add({path}, {})", self.constant(value)),
            Action::Delete { value, .. } => {
                format!("SET {path} = SET_DELETE({path}, {})", self.constant(value))
            }
        }
    }

    fn terms(&mut self, terms: &[Condition], operator: &str) -> String {
        let terms: Vec<String> = terms.iter().map(|term| self.grouped(term)).collect();
        terms.join(operator)
    }

    fn grouped(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::And(_) | Condition::Or(_) | Condition::Not(_) => {
                format!("({})", self.condition(condition))
            }
            _ => self.condition(condition),
        }
    }

    fn set_value(&mut self, value: &SetValue) -> String {
        match value {
            SetValue::Operand(operand) => self.update_operand(operand),
            SetValue::Sum(left, right) => {
                format!("{} + {}", self.update_operand(left), self.update_operand(right))
            }
            SetValue::Difference(left, right) => {
                format!("{} - {}", self.update_operand(left), self.update_operand(right))
            }
        }
    }

    fn update_operand(&mut self, operand: &UpdateOperand) -> String {
        match operand {
            UpdateOperand::Path(path) => path_text(path),
            UpdateOperand::Constant(constant) => self.constant(constant),
            UpdateOperand::ListAppend { front, back } => {
                format!("list_append({}, {})", self.update_operand(front), self.update_operand(back))
            }
            UpdateOperand::Arithmetic(value) => format!("({})", self.set_value(value)),
            UpdateOperand::IfNotExists { .. } => unreachable!("PartiQL has no if_not_exists"),
        }
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Path(path) => path_text(path),
            Operand::Constant(constant) => self.constant(constant),
            Operand::Size(operand) => format!("size({})", self.operand(operand)),
        }
    }

    fn constant(&mut self, constant: &Constant) -> String {
        literal(constant.value()).unwrap_or_else(|| {
            self.parameters.push(constant.value().clone());
            "?".to_owned()
        })
    }
}

/// Names are quoted, so that keywords and dots are names.
fn path_text(path: &DocumentPath) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut text = quoted(&path.name);
    for element in &path.rest {
        match element {
            PathElement::Name(name) => text.push_str(&format!(" . {}", quoted(name))),
            PathElement::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

fn literal(value: &Value) -> Option<String> {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Some(match value {
        Value::S(value) => text(value),
        Value::N(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
        Value::L(elements) => {
            let elements: Vec<String> = elements.iter().map(literal).collect::<Option<_>>()?;
            format!("[{}]", elements.join(", "))
        }
        Value::M(entries) => {
            let entry =
                |(name, value): (&String, &Value)| Some(format!("{}: {}", text(name), literal(value)?));
            let entries: Vec<String> = entries.iter().map(entry).collect::<Option<_>>()?;
            format!("{{{}}}", entries.join(", "))
        }
        Value::Ss(members) => {
            let members: Vec<String> = members.iter().map(|member| text(member)).collect();
            format!("<<{}>>", members.join(", "))
        }
        Value::Ns(members) => {
            let members: Vec<String> = members.iter().map(ToString::to_string).collect();
            format!("<<{}>>", members.join(", "))
        }
        Value::B(_) | Value::Bs(_) => return None,
    })
}
