//! SET and REMOVE become the same actions as those of an UpdateExpression.

use super::ast::{ArithmeticOperator, Change, Expression, Term};
use super::error::StatementError;
use super::literal::value_of;
use super::path::{document_path, is_path};
use crate::expression::faults::Faults;
use crate::expression::{Action, Constant, Fault, OPERATORS_MAX, SetValue, Update, UpdateOperand};
use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// The update that changes are.
pub(super) fn update_of(changes: &[Change], parameters: &[Value]) -> Result<Update, StatementError> {
    let mut translation = Translation { parameters, operator_count: 0 };
    let actions = changes.iter().map(|change| translation.action(change));
    let actions = actions.collect::<Result<Vec<_>, _>>()?;
    Ok(Update::checked(actions, &mut Faults::default())?)
}

struct Translation<'a> {
    parameters: &'a [Value],
    /// `+` and `-` so far: a sum of many is as deep as it is long.
    operator_count: usize,
}

impl Translation<'_> {
    fn action(&mut self, change: &Change) -> Result<Action, StatementError> {
        match change {
            Change::Remove { target } => Ok(Action::Remove { path: document_path(target)? }),
            Change::Set { target, value } => {
                let path = document_path(target)?;
                match SetFunction::of(value) {
                    Some((function, arguments)) => self.set_action(path, function, arguments, value),
                    None => Ok(Action::Set { path, value: self.value(value)? }),
                }
            }
        }
    }

    /// `path = set_add(path, <<…>>)`
    fn set_action(
        &self,
        path: DocumentPath,
        function: SetFunction,
        arguments: &[Expression],
        call: &Expression,
    ) -> Result<Action, StatementError> {
        let [first, second] = arguments else {
            return Err(StatementError::SetFunctionArguments {
                function: function.name(),
                place: call.place,
            });
        };
        if !is_path(first) || document_path(first)? != path {
            return Err(StatementError::SetFunctionTarget { function: function.name(), place: call.place });
        }
        let misplaced = || StatementError::SetFunctionValue { function: function.name(), place: first.place };
        if is_path(second) || matches!(second.term, Term::Call { .. }) {
            return Err(misplaced());
        }
        let value = value_of(second, self.parameters)?;
        if !matches!(value.kind(), ValueKind::Ss | ValueKind::Ns | ValueKind::Bs) {
            return Err(misplaced());
        }
        let value = Constant::new(value);
        Ok(match function {
            SetFunction::Add => Action::Add { path, value },
            SetFunction::Delete => Action::Delete { path, value },
        })
    }

    /// The right side of an assignment.
    fn value(&mut self, expression: &Expression) -> Result<SetValue, StatementError> {
        let Term::Arithmetic { first, rest } = &expression.term else {
            return Ok(SetValue::Operand(self.operand(expression)?));
        };
        let mut value = SetValue::Operand(self.operand(first)?);
        for (operator, right) in rest {
            self.operator_count += 1;
            if self.operator_count > OPERATORS_MAX {
                return Err(Fault::TooManyOperators { count: self.operator_count }.into());
            }
            let left = operand_of(value);
            let right = self.operand(right)?;
            for operand in [&left, &right] {
                check_constant(operator.symbol(), operand, ValueKind::N)?;
            }
            value = match operator {
                ArithmeticOperator::Plus => SetValue::Sum(left, right),
                ArithmeticOperator::Minus => SetValue::Difference(left, right),
                _ => return Err(unsupported(expression)),
            };
        }
        Ok(value)
    }

    fn operand(&mut self, expression: &Expression) -> Result<UpdateOperand, StatementError> {
        match &expression.term {
            Term::Arithmetic { .. } => Ok(operand_of(self.value(expression)?)),
            Term::Call { function, arguments } if function == LIST_APPEND => self.list_append(arguments),
            Term::Call { function, .. } => {
                let place = expression.place;
                Err(StatementError::UnknownFunction { function: function.clone(), place })
            }
            Term::Negative(_) | Term::Positive(_) => Err(unsupported(expression)),
            _ if is_path(expression) => document_path(expression).map(UpdateOperand::Path),
            _ => Ok(UpdateOperand::Constant(Constant::new(value_of(expression, self.parameters)?))),
        }
    }

    fn list_append(&mut self, arguments: &[Expression]) -> Result<UpdateOperand, StatementError> {
        let [front, back] = arguments else {
            return Err(Fault::OperandCount { operator: LIST_APPEND, count: arguments.len() }.into());
        };
        let (front, back) = (self.operand(front)?, self.operand(back)?);
        for operand in [&front, &back] {
            check_constant(LIST_APPEND, operand, ValueKind::L)?;
        }
        Ok(UpdateOperand::ListAppend { front: Box::new(front), back: Box::new(back) })
    }
}

const LIST_APPEND: &str = "list_append";

#[derive(Debug, Clone, Copy)]
enum SetFunction {
    Add,
    Delete,
}

impl SetFunction {
    /// The function that an expression calls, with its arguments.
    fn of(expression: &Expression) -> Option<(Self, &[Expression])> {
        match &expression.term {
            Term::Call { function, arguments } => match function.as_str() {
                "set_add" => Some((Self::Add, arguments)),
                "set_delete" => Some((Self::Delete, arguments)),
                _ => None,
            },
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "SET_ADD",
            Self::Delete => "SET_DELETE",
        }
    }
}

/// A right side as a part of a larger one.
fn operand_of(value: SetValue) -> UpdateOperand {
    match value {
        SetValue::Operand(operand) => operand,
        arithmetic => UpdateOperand::Arithmetic(Box::new(arithmetic)),
    }
}

fn check_constant(
    operator: &'static str,
    operand: &UpdateOperand,
    kind: ValueKind,
) -> Result<(), StatementError> {
    match operand {
        UpdateOperand::Constant(constant) if constant.kind() != kind => {
            Err(StatementError::OperandType { operator, kind: constant.kind() })
        }
        _ => Ok(()),
    }
}

fn unsupported(expression: &Expression) -> StatementError {
    StatementError::UnsupportedOperation { kind: expression.term.kind_name().to_owned() }
}
