//! Transactions on one to three shards: all or nothing, reasons in order, capacity, tokens.

use basalt_engine::{
    ActionOutput, BlockingEngine, CapacityUnits, ConditionCheck, CreateTable, DeleteItem, Error, GetItem,
    PutItem, ReturnOld, TokenSpace, TransactAction, TransactGet, TransactToken, TransactWrite, UpdateItem,
    ValidationError,
    model::{Consistency, Item, KeyError, ScalarKind, Value},
};

use crate::support::{
    COMPOSITE, SIMPLE, condition, create_composite, create_simple, decoded, get, in_memory, item, number,
    on_each_shard_count, put, text, updating,
};

fn key(name: &str) -> Item {
    item([("pk", text(name))])
}

fn with_n(name: &str, n: i64) -> Item {
    item([("pk", text(name)), ("n", number(n))])
}

fn put_of(item: Item) -> TransactAction {
    TransactAction::Put(PutItem::new(SIMPLE, item))
}

fn put_if(item: Item, expression: &str, on_failure: ReturnOld) -> TransactAction {
    TransactAction::Put(PutItem {
        condition: Some(condition(expression, &[])),
        return_values_on_condition_check_failure: on_failure,
        ..PutItem::new(SIMPLE, item)
    })
}

fn add(name: &str, n: i64) -> TransactAction {
    let update = updating("SET n = n + :n", &[(":n", number(n))]);
    TransactAction::Update(UpdateItem::new(SIMPLE, key(name), update))
}

fn delete_of(name: &str) -> TransactAction {
    TransactAction::Delete(DeleteItem::new(SIMPLE, key(name)))
}

fn check(name: &str, expression: &str, values: &[(&str, Value)]) -> TransactAction {
    TransactAction::ConditionCheck(ConditionCheck {
        table_name: SIMPLE.to_owned(),
        key: key(name),
        condition: condition(expression, values),
        return_values_on_condition_check_failure: ReturnOld::None,
    })
}

fn transact(engine: &BlockingEngine, actions: Vec<TransactAction>) -> Result<Vec<ActionOutput>, Error> {
    engine.transact_write(TransactWrite { actions, token: None }).map(|output| output.actions)
}

fn reasons(outcome: Result<impl std::fmt::Debug, Error>) -> Vec<Option<Error>> {
    match outcome {
        Err(Error::TransactionCanceled { reasons }) => reasons,
        other => panic!("the transaction should be cancelled: {other:?}"),
    }
}

fn once(token: &str, digest: u128) -> Option<TransactToken> {
    Some(TransactToken { space: TokenSpace::TransactWriteItems, token: token.to_owned(), digest })
}

#[test]
fn all_four_actions_come_to_pass_together() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        create_composite(engine, ScalarKind::N);
        for name in ["updated", "deleted", "checked"] {
            put(engine, SIMPLE, with_n(name, 1));
        }
        let elsewhere = item([("pk", text("other table")), ("sk", number(1))]);
        let outputs = transact(
            engine,
            vec![
                put_of(with_n("new", 7)),
                add("updated", 41),
                delete_of("deleted"),
                check("checked", "n = :n", &[(":n", number(1))]),
                TransactAction::Put(PutItem::new(COMPOSITE, elsewhere.clone())),
            ],
        )
        .expect("nothing stands against it");
        assert_eq!(get(engine, SIMPLE, key("new")), Some(with_n("new", 7)));
        assert_eq!(get(engine, SIMPLE, key("updated")), Some(with_n("updated", 42)));
        assert_eq!(get(engine, SIMPLE, key("deleted")), None);
        assert_eq!(get(engine, SIMPLE, key("checked")), Some(with_n("checked", 1)));
        assert_eq!(get(engine, COMPOSITE, elsewhere.clone()), Some(elsewhere));
        let two_units = CapacityUnits::for_write(1, 1).doubled();
        assert!(outputs.iter().all(|output| output.capacity.table == two_units), "{outputs:?}");
        let tables: Vec<&str> = outputs.iter().map(|output| output.table_name.as_str()).collect();
        assert_eq!(tables, [SIMPLE, SIMPLE, SIMPLE, SIMPLE, COMPOSITE]);
    });
}

#[test]
fn every_reason_is_told_in_its_place_and_nothing_is_changed() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..10 {
            put(engine, SIMPLE, with_n(&format!("there {index}"), index));
        }
        let mut actions = vec![put_of(with_n("new", 1))];
        for index in 0..10 {
            let on_failure = if index % 2 == 0 { ReturnOld::AllOld } else { ReturnOld::None };
            let replacement = with_n(&format!("there {index}"), -1);
            actions.push(put_if(replacement, "attribute_not_exists(pk)", on_failure));
        }
        actions.push(add("absent", 1));
        let reasons = reasons(transact(engine, actions));
        assert_eq!(reasons.len(), 12);
        assert!(reasons[0].is_none());
        for (index, reason) in (0..10).zip(&reasons[1..11]) {
            let Some(Error::ConditionalCheckFailed { item }) = reason else { panic!("{reason:?}") };
            let wanted = (index % 2 == 0).then(|| with_n(&format!("there {index}"), index));
            assert_eq!(item.as_ref().map(decoded), wanted);
        }
        assert!(matches!(reasons[11], Some(Error::Validation(ValidationError::Update(_)))), "{reasons:?}");
        assert_eq!(get(engine, SIMPLE, key("new")), None);
        assert_eq!(get(engine, SIMPLE, key("there 3")), Some(with_n("there 3", 3)));
        // What was cancelled holds nothing.
        transact(engine, vec![put_of(with_n("new", 1)), add("there 3", 1), add("there 4", 1)]).expect("free");
    });
}

#[test]
fn faults_of_the_request_come_before_tables_and_tables_before_keys() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let too_large = item([("pk", text("large")), ("v", text(&"x".repeat(410_000)))]);
        let elsewhere = || TransactAction::Put(PutItem::new("no-such-table", key("a")));
        let wrong_key = || put_of(item([("pk", number(1))]));
        let outcome = transact(engine, vec![elsewhere(), wrong_key(), put_of(too_large)]);
        assert!(matches!(outcome, Err(Error::Validation(ValidationError::Item(_)))), "{outcome:?}");
        let outcome = transact(engine, vec![wrong_key(), elsewhere()]);
        assert!(matches!(outcome, Err(Error::TableNotFound { .. })), "{outcome:?}");
        let outcome = transact(engine, vec![put_of(key("a")), wrong_key(), wrong_key()]);
        let reasons = reasons(outcome);
        assert!(
            matches!(
                reasons[..],
                [None, Some(Error::Validation(ValidationError::Key(KeyError::TypeMismatch { .. }))), None]
            ),
            "only the first fault of a key is told: {reasons:?}"
        );
        let outcome = transact(engine, vec![put_of(key("a")), put_of(key(""))]);
        assert!(
            matches!(outcome, Err(Error::Validation(ValidationError::Key(KeyError::Empty { .. })))),
            "{outcome:?}"
        );
        assert_eq!(get(engine, SIMPLE, key("a")), None);
    });
}

#[test]
fn limits_of_a_transaction_are_held() {
    let engine = in_memory(2);
    create_simple(&engine);
    let same_twice = vec![put_of(with_n("a", 1)), check("a", "attribute_exists(pk)", &[])];
    let outcome = transact(&engine, same_twice);
    assert!(matches!(outcome, Err(Error::Validation(ValidationError::DuplicateTransactItems))));
    let outcome = transact(&engine, Vec::new());
    assert!(matches!(outcome, Err(Error::Validation(ValidationError::NoActions))));
    let puts = |count: usize, bytes: usize| -> Vec<TransactAction> {
        let named =
            |index| item([("pk", text(&format!("{count} {index}"))), ("v", text(&"x".repeat(bytes)))]);
        (0..count).map(|index| put_of(named(index))).collect()
    };
    transact(&engine, puts(100, 10)).expect("a hundred actions are allowed");
    let outcome = transact(&engine, puts(101, 10));
    assert!(matches!(outcome, Err(Error::Validation(ValidationError::TooManyActions))));
    transact(&engine, puts(11, 380_000)).expect("less than 4 MiB");
    let outcome = transact(&engine, puts(12, 380_000));
    assert!(matches!(outcome, Err(Error::Validation(ValidationError::TransactionTooLarge))));
    engine.close().expect("the engine closes");
}

#[test]
fn a_token_makes_a_request_run_once_and_answers_with_read_capacity() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        put(engine, SIMPLE, with_n("a", 0));
        put(engine, SIMPLE, item([("pk", text("b")), ("n", number(0)), ("v", text(&"x".repeat(6000)))]));
        let request =
            |digest| TransactWrite { actions: vec![add("a", 1), add("b", 1)], token: once("t", digest) };
        let first = engine.transact_write(request(1)).expect("it runs");
        assert!(!first.is_replay);
        let second = engine.transact_write(request(1)).expect("it is answered");
        assert!(second.is_replay);
        let units: Vec<CapacityUnits> = second.actions.iter().map(|action| action.capacity.table).collect();
        let read = |bytes| CapacityUnits::for_read(bytes, Consistency::Transactional);
        assert_eq!(units, [read(10), read(6010)]);
        assert_eq!(get(engine, SIMPLE, key("a")), Some(with_n("a", 1)), "it ran once");
        let other = engine.transact_write(request(2));
        assert!(matches!(other, Err(Error::IdempotentParameterMismatch)), "{other:?}");
    });
}

#[test]
fn a_cancelled_transaction_does_not_use_its_token_up() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let request = || TransactWrite { actions: vec![add("a", 1), add("b", 1)], token: once("t", 1) };
        assert_eq!(reasons(engine.transact_write(request())).len(), 2);
        put(engine, SIMPLE, with_n("a", 0));
        put(engine, SIMPLE, with_n("b", 0));
        assert!(!engine.transact_write(request()).expect("it runs now").is_replay);
    });
}

#[test]
fn reads_are_answered_in_order_as_of_one_moment() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        for index in 0..20 {
            put(engine, SIMPLE, with_n(&format!("k{index}"), index));
        }
        let names = (0..21).map(|index| format!("k{index}"));
        let reads = names.map(|name| GetItem::new(SIMPLE, key(&name))).collect();
        let output = engine.transact_get(TransactGet { reads }).expect("nobody writes");
        for (index, read) in (0..20).zip(&output.reads) {
            assert_eq!(read.item.as_ref().map(decoded), Some(with_n(&format!("k{index}"), index)));
            assert_eq!(read.capacity.table, CapacityUnits::for_read(1, Consistency::Transactional));
        }
        assert!(output.reads[20].item.is_none());
        let twice = vec![GetItem::new(SIMPLE, key("k1")), GetItem::new(SIMPLE, key("k1"))];
        let outcome = engine.transact_get(TransactGet { reads: twice });
        assert!(matches!(outcome, Err(Error::Validation(ValidationError::DuplicateTransactItems))));
        let wrong = vec![GetItem::new(SIMPLE, key("k1")), GetItem::new(SIMPLE, item([("no", text("key"))]))];
        let reasons = reasons(engine.transact_get(TransactGet { reads: wrong }));
        assert!(reasons[0].is_none());
        assert!(
            matches!(reasons[1], Some(Error::Validation(ValidationError::Key(KeyError::SchemaMismatch)))),
            "{reasons:?}"
        );
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a client of its own beside the one that drops the table")]
fn a_table_is_dropped_while_transactions_run_on_it() {
    let engine = in_memory(3);
    create_simple(&engine);
    engine.create_table(CreateTable::new("t-kept", crate::support::simple_schema())).expect("it is new");
    let writer = {
        let engine = engine.clone();
        std::thread::spawn(move || {
            let mut committed = 0;
            loop {
                let kept = PutItem::new("t-kept", with_n(&format!("k{committed}"), committed));
                let dropped = put_of(with_n(&format!("d{committed}"), committed));
                match transact(&engine, vec![dropped, TransactAction::Put(kept)]) {
                    Ok(_) => committed += 1,
                    Err(Error::TableNotFound { .. }) => return committed,
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
    };
    while get(&engine, "t-kept", key("k20")).is_none() {
        std::thread::yield_now();
    }
    engine.delete_table(SIMPLE).expect("the table is dropped");
    let committed = writer.join().expect("the writer ends");
    for index in 0..committed {
        assert!(
            get(&engine, "t-kept", key(&format!("k{index}"))).is_some(),
            "transaction {index} of {committed}"
        );
    }
    assert!(get(&engine, "t-kept", key(&format!("k{committed}"))).is_none());
    engine.close().expect("the engine closes");
}
