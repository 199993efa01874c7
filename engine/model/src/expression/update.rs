//! Updates: the tree, and what can be said of it without an item.

use super::ast::Constant;
use super::error::{ExpressionError, ExpressionKind, Fault, SchemaError};
use super::faults::{Faults, UPDATE_ORDER};
use super::parser::check_paths_apart;
use super::projection::Projection;
use crate::path::DocumentPath;
use crate::size::UpdateActions;

/// What is done to an item, all at once: every right side sees the item as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    actions: Vec<Action>,
    touched: Projection,
}

/// One change of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `SET path = value`
    Set {
        /// Where.
        path: DocumentPath,
        /// What.
        value: SetValue,
    },
    /// `REMOVE path`
    Remove {
        /// Where.
        path: DocumentPath,
    },
    /// `ADD path :value`: adds to a number, or members to a set.
    Add {
        /// Where.
        path: DocumentPath,
        /// What.
        value: Constant,
    },
    /// `DELETE path :value`: takes members out of a set.
    Delete {
        /// Where.
        path: DocumentPath,
        /// Which.
        value: Constant,
    },
}

impl Action {
    /// What it changes.
    pub fn path(&self) -> &DocumentPath {
        match self {
            Self::Set { path, .. }
            | Self::Remove { path }
            | Self::Add { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }
}

/// The right side of `SET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    /// As it is.
    Operand(UpdateOperand),
    /// `left + right`
    Sum(UpdateOperand, UpdateOperand),
    /// `left - right`
    Difference(UpdateOperand, UpdateOperand),
}

/// A part of the right side of `SET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOperand {
    /// What the item has there.
    Path(DocumentPath),
    /// A constant of the request.
    Constant(Constant),
    /// `if_not_exists(path, otherwise)`
    IfNotExists {
        /// What is taken if it is there.
        path: DocumentPath,
        /// What is taken else.
        otherwise: Box<UpdateOperand>,
    },
    /// `list_append(front, back)`
    ListAppend {
        /// The first elements.
        front: Box<UpdateOperand>,
        /// The elements behind them.
        back: Box<UpdateOperand>,
    },
    /// Arithmetic as a part of more arithmetic, which only PartiQL can write.
    Arithmetic(Box<SetValue>),
}

impl Update {
    /// An update of these actions, which must not touch each other's places.
    pub fn new(actions: Vec<Action>) -> Result<Self, ExpressionError> {
        let mut faults = Faults::default();
        Self::checked(actions, &mut faults)
            .map_err(|fault| ExpressionError::invalid(ExpressionKind::Update, fault))
    }

    /// The same, where parsing has recorded faults already, which may come before.
    pub(crate) fn checked(actions: Vec<Action>, faults: &mut Faults) -> Result<Self, Fault> {
        let paths: Vec<&DocumentPath> = actions.iter().map(Action::path).collect();
        check_paths_apart(&paths, faults);
        faults.check(UPDATE_ORDER)?;
        let touched = Projection::new(paths.into_iter().cloned().collect::<Vec<_>>());
        Ok(Self { actions, touched })
    }

    /// The actions in the order of the text.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// The places that are changed: what UPDATED_OLD shows of the old item and UPDATED_NEW of the new one. Indexes of
    /// lists are taken literally in both. Nothing to show means no answer at all.
    pub fn touched(&self) -> &Projection {
        &self.touched
    }

    /// What the size limit of UpdateItem charges for, see [`crate::size::updated_size_bytes`]. Two forms cost DynamoDB
    /// a little more than this says: SET of a list element 1 byte, arithmetic 50 (measured for dynoxide 0.12).
    pub fn size_actions(&self) -> UpdateActions {
        let writes = |action: &&Action| matches!(action, Action::Set { .. } | Action::Add { .. });
        let writing_count = self.actions.iter().filter(writes).count();
        UpdateActions { writing_count, clearing_count: self.actions.len() - writing_count }
    }

    /// Refuses an update that writes to the key; the names are those of the table's key, partition key first.
    pub fn check_key_attributes<'k>(
        &self,
        key_names: impl IntoIterator<Item = &'k str>,
    ) -> Result<(), SchemaError> {
        for name in key_names {
            if self.actions.iter().any(|action| action.path().name == name) {
                return Err(SchemaError::UpdateOfKey { attribute: name.to_owned() });
            }
        }
        Ok(())
    }

    /// Every path the update reads or writes, for [`super::check_key_paths`].
    pub fn paths(&self) -> Vec<&DocumentPath> {
        let mut paths = Vec::new();
        for action in &self.actions {
            paths.push(action.path());
            if let Action::Set { value, .. } = action {
                collect_set_value(value, &mut paths);
            }
        }
        paths
    }
}

fn collect_set_value<'a>(value: &'a SetValue, paths: &mut Vec<&'a DocumentPath>) {
    match value {
        SetValue::Operand(operand) => collect_operand(operand, paths),
        SetValue::Sum(left, right) | SetValue::Difference(left, right) => {
            collect_operand(left, paths);
            collect_operand(right, paths);
        }
    }
}

fn collect_operand<'a>(operand: &'a UpdateOperand, paths: &mut Vec<&'a DocumentPath>) {
    match operand {
        UpdateOperand::Path(path) => paths.push(path),
        UpdateOperand::Constant(_) => {}
        UpdateOperand::IfNotExists { path, otherwise } => {
            paths.push(path);
            collect_operand(otherwise, paths);
        }
        UpdateOperand::ListAppend { front, back } => {
            collect_operand(front, paths);
            collect_operand(back, paths);
        }
        UpdateOperand::Arithmetic(value) => collect_set_value(value, paths),
    }
}
