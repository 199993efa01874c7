//! Statements as they were written, before anything is known of their parameters or of any table.

use super::lexer::Place;
use crate::expression::Comparator;

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `SELECT … FROM …`
    Select(Select),
    /// `INSERT INTO … VALUE …`
    Insert(Insert),
    /// `UPDATE … SET … REMOVE … WHERE …`, or `FROM … WHERE … SET …`
    Update(Update),
    /// `DELETE FROM … WHERE …`
    Delete(Delete),
    /// `EXISTS(SELECT …)`, the condition check of a transaction.
    Exists(Select),
}

/// Reads items.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// What is shown of each; `None`: everything.
    pub columns: Option<Vec<Expression>>,
    /// Whether a column has another name than its own.
    pub has_alias: bool,
    /// What is read.
    pub source: Source,
    /// Which items.
    pub condition: Option<Expression>,
    /// In which order, attribute by attribute.
    pub order: Vec<OrderTerm>,
}

/// Adds an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub source: Source,
    /// The item.
    pub item: Expression,
    /// What to answer with.
    pub returning: Option<Returning>,
}

/// Changes an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table.
    pub source: Source,
    /// What is done, in the order of the text.
    pub changes: Vec<Change>,
    /// Which item, and what must hold of it.
    pub condition: Option<Expression>,
    /// What to answer with.
    pub returning: Option<Returning>,
}

/// Removes an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table.
    pub source: Source,
    /// Which item, and what must hold of it.
    pub condition: Option<Expression>,
    /// What to answer with.
    pub returning: Option<Returning>,
}

/// A table or index.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// `table` or `table.index`.
    pub path: Expression,
    /// Whether it is given another name.
    pub has_alias: bool,
}

/// One `SET` assignment or one `REMOVE`.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `path = value`
    Set {
        /// Where.
        target: Expression,
        /// What.
        value: Expression,
    },
    /// `REMOVE path`
    Remove {
        /// Where.
        target: Expression,
    },
}

/// One attribute of `ORDER BY`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderTerm {
    /// The attribute.
    pub attribute: Expression,
    /// Which of its values come first.
    pub order: SortOrder,
}

/// `ASC` or `DESC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

/// What `RETURNING … *` answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returning {
    /// The item as it was.
    AllOld,
    /// The changed places as they were.
    ModifiedOld,
    /// The item as it is.
    AllNew,
    /// The changed places as they are.
    ModifiedNew,
}

impl Returning {
    /// How it is written, without the star.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllOld => "ALL OLD",
            Self::ModifiedOld => "MODIFIED OLD",
            Self::AllNew => "ALL NEW",
            Self::ModifiedNew => "MODIFIED NEW",
        }
    }
}

/// Anything that has a value, a condition included.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it is.
    pub term: Term,
    /// Where it begins.
    pub place: Place,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `'text'`
    Text(String),
    /// A number as it is written, its signs folded into one.
    Number(String),
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// `NULL`
    Null,
    /// `MISSING`
    Missing,
    /// `?`, from 0.
    Parameter(usize),
    /// `name`, `"name"`
    Identifier(String),
    /// `base.name[0]`
    Path {
        /// Where it starts.
        base: Box<Expression>,
        /// The steps from there.
        steps: Vec<Step>,
    },
    /// `[…]`, or several expressions in parentheses.
    List(Vec<Expression>),
    /// `<<…>>`
    Bag(Vec<Expression>),
    /// `{name: value, …}`
    Struct(Vec<(Expression, Expression)>),
    /// `function(…)`
    Call {
        /// In lower case.
        function: String,
        /// Its arguments.
        arguments: Vec<Expression>,
    },
    /// `-x` of something that is no number in the text.
    Negative(Box<Expression>),
    /// `+x` of something that is no number in the text.
    Positive(Box<Expression>),
    /// `first + second - third …`
    Arithmetic {
        /// The leftmost.
        first: Box<Expression>,
        /// The others, with what stands before each.
        rest: Vec<(ArithmeticOperator, Expression)>,
    },
    /// `NOT x`
    Not(Box<Expression>),
    /// `x AND y AND …`
    And(Vec<Expression>),
    /// `x OR y OR …`
    Or(Vec<Expression>),
    /// `left = right` and its like.
    Compare {
        /// The operator.
        comparator: Comparator,
        /// What stands before it.
        left: Box<Expression>,
        /// What stands behind it.
        right: Box<Expression>,
    },
    /// `value BETWEEN lower AND upper`
    Between {
        /// What must lie between.
        value: Box<Expression>,
        /// The lower bound.
        lower: Box<Expression>,
        /// The upper bound.
        upper: Box<Expression>,
    },
    /// `value IN [ … ]`, `value IN (…)`
    In {
        /// What must be one of them.
        value: Box<Expression>,
        /// Them.
        candidates: Box<Expression>,
    },
    /// `operand IS type`
    Is {
        /// What is looked at.
        operand: Box<Expression>,
        /// The type's name in lower case.
        type_name: &'static str,
    },
    /// An operator that PartiQL has and DynamoDB has not: `LIKE`, `UNION`, …
    Other {
        /// How it is written.
        operator: &'static str,
        /// What stands around it.
        operands: Vec<Expression>,
    },
    /// `SELECT` inside of an expression.
    Select(Box<Select>),
    /// A statement that changes something, inside of an expression.
    Change(Box<Statement>),
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `.name`
    Name(String),
    /// `[index]`
    Index(Box<Expression>),
    /// `.*` or `[*]`
    Every(Place),
}

/// Operators between numbers, and `||` between texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArithmeticOperator {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `||`
    Concatenate,
}

impl ArithmeticOperator {
    /// How it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concatenate => "||",
        }
    }
}

impl Term {
    /// What error texts call the kind: the reference implementation's names.
    pub(super) fn kind_name(&self) -> &str {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Boolean(_) | Self::Null => "Lit",
            Self::Missing => "Missing",
            Self::Parameter(_) => "Parameter",
            Self::Identifier(_) => "Id",
            Self::Path { .. } => "Path",
            Self::List(_) => "List",
            Self::Bag(_) => "Bag",
            Self::Struct(_) => "Struct",
            Self::Call { function, .. } => function,
            Self::Negative(_) => "Neg",
            Self::Positive(_) => "Pos",
            Self::Arithmetic { rest, .. } => match rest.last().map(|(operator, _)| operator) {
                Some(ArithmeticOperator::Minus) => "Minus",
                Some(ArithmeticOperator::Times) => "Times",
                Some(ArithmeticOperator::Divide) => "Divide",
                Some(ArithmeticOperator::Modulo) => "Modulo",
                Some(ArithmeticOperator::Concatenate) => "Concat",
                Some(ArithmeticOperator::Plus) | None => "Plus",
            },
            Self::Not(_) => "Not",
            Self::And(_) => "And",
            Self::Or(_) => "Or",
            Self::Compare { comparator, .. } => match comparator {
                Comparator::Equal => "Eq",
                Comparator::NotEqual => "Ne",
                Comparator::Less => "Lt",
                Comparator::LessOrEqual => "Lte",
                Comparator::Greater => "Gt",
                Comparator::GreaterOrEqual => "Gte",
            },
            Self::Between { .. } => "Between",
            Self::In { .. } => "InCollection",
            Self::Is { .. } => "IsType",
            Self::Other { operator, .. } => operator,
            Self::Select(_) => "Select",
            Self::Change(_) => "DataManipulation",
        }
    }
}
