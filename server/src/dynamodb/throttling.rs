//! Throttled operations as DynamoDB tells them: which exception, in which words, and for which resource.

use basalt_engine::{Throttled, ThrottledAccess, ThrottlingLimit};

use super::error_map::Exception;
use super::json::writer::Members;
use super::messages;

/// The exception that a throttled operation fails with.
pub(super) fn exception(throttled: &Throttled) -> Exception {
    match throttled.limit {
        ThrottlingLimit::Provisioned => Exception::ProvisionedThroughputExceeded,
        ThrottlingLimit::OnDemandMaximum => Exception::Throttling,
    }
}

/// Its text. A write that global indexes hold back says so; a read of an index is told like one of a table.
pub(super) fn message(throttled: &Throttled) -> &'static str {
    let is_held_back = throttled.access == ThrottledAccess::Write && !throttled.index_names.is_empty();
    match (throttled.limit, is_held_back) {
        (ThrottlingLimit::Provisioned, false) => messages::PROVISIONED_EXCEEDED,
        (ThrottlingLimit::Provisioned, true) => messages::PROVISIONED_OF_INDEX_EXCEEDED,
        (ThrottlingLimit::OnDemandMaximum, _) => messages::ON_DEMAND_MAXIMUM_EXCEEDED,
    }
}

/// The code of the reason by which a transaction is cancelled.
pub(super) fn cancellation_code(throttled: &Throttled) -> &'static str {
    match throttled.limit {
        ThrottlingLimit::Provisioned => "ProvisionedThroughputExceeded",
        ThrottlingLimit::OnDemandMaximum => "ThrottlingError",
    }
}

/// The member with the reasons, which ThrottlingException alone spells with a small letter.
pub(super) fn write_reasons(members: &mut Members<'_>, throttled: &Throttled) {
    let name = match throttled.limit {
        ThrottlingLimit::Provisioned => "ThrottlingReasons",
        ThrottlingLimit::OnDemandMaximum => "throttlingReasons",
    };
    let mut reasons = members.value_of(name).array();
    let table_arn = &throttled.table_arn;
    let mut add = |kind: &str, resource: &str| {
        let mut reason = reasons.element().object();
        reason.string(
            "reason",
            &format!("{kind}{}{}", access_name(throttled.access), limit_name(throttled.limit)),
        );
        reason.string("resource", resource);
    };
    if throttled.index_names.is_empty() {
        add("Table", table_arn);
    }
    for index_name in &throttled.index_names {
        add("Index", &format!("{table_arn}/index/{index_name}"));
    }
}

fn access_name(access: ThrottledAccess) -> &'static str {
    match access {
        ThrottledAccess::Read => "Read",
        ThrottledAccess::Write => "Write",
    }
}

fn limit_name(limit: ThrottlingLimit) -> &'static str {
    match limit {
        ThrottlingLimit::Provisioned => "ProvisionedThroughputExceeded",
        ThrottlingLimit::OnDemandMaximum => "MaxOnDemandThroughputExceeded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::reply::object_reply;

    fn told(index_names: &[&str], access: ThrottledAccess, limit: ThrottlingLimit) -> String {
        let index_names = index_names.iter().map(|name| (*name).to_owned()).collect();
        let throttled = Throttled { table_arn: "arn:t".to_owned(), index_names, access, limit };
        String::from_utf8(object_reply(|members| write_reasons(members, &throttled))).unwrap()
    }

    #[test]
    fn reasons_name_what_was_exceeded_where() {
        use ThrottledAccess::{Read, Write};
        use ThrottlingLimit::{OnDemandMaximum, Provisioned};
        assert_eq!(
            told(&[], Write, Provisioned),
            r#"{"ThrottlingReasons":[{"reason":"TableWriteProvisionedThroughputExceeded","resource":"arn:t"}]}"#
        );
        assert_eq!(
            told(&["i"], Read, OnDemandMaximum),
            r#"{"throttlingReasons":[{"reason":"IndexReadMaxOnDemandThroughputExceeded","resource":"arn:t/index/i"}]}"#
        );
        assert!(told(&["i", "j"], Write, Provisioned).contains("arn:t/index/j"));
    }
}
