//! What clients see on the wire, over real sockets, against a server in memory.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the tests are clients on real sockets"
)]

mod http_edges;
mod indexes;
mod legacy;
mod native;
mod nesting;
mod partial_answers;
mod partiql;
mod partiql_batch;
mod partiql_indexes;
mod partiql_transaction;
mod small_members;
mod start_keys;
mod streams;
mod support;
mod table_counts;
mod tables;
mod tags;
mod throttling;
mod time_to_live;
mod tls;
mod transactions;
mod update_table;
mod validation;
mod zero_states;
