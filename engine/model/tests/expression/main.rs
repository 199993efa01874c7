//! The expression language from outside: every text it refuses with, what conditions mean, what projections show,
//! what updates change, and properties of arbitrary texts and items. Also the same trees said in PartiQL.

mod conditions;
mod faults;
mod generate;
mod key_conditions;
mod naive;
mod partiql;
mod partiql_plans;
mod partiql_printer;
mod partiql_properties;
mod printer;
mod projections;
mod properties;
mod support;
mod updates;
