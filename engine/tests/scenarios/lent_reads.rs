//! Work beside the data: closures and futures on the owner shard, with items lent to them.

use std::ops::ControlFlow;

use basalt_engine::{
    Error, PutItem, ScanDirection,
    model::{Item, ScalarKind, SortCondition, Value, ValueRef, key::KeyValue},
};

use crate::support::{
    COMPOSITE, SIMPLE, create_composite, create_simple, decimal, get, item, number, on_each_shard_count, put,
    text,
};

#[test]
fn an_item_is_lent_to_a_closure_on_its_shard() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        put(engine, SIMPLE, item([("pk", text("k")), ("v", text("value"))]));
        let length = engine.on_shard(SIMPLE, text("k"), |access| async move {
            access
                .get(&item([("pk", text("k"))]), |item| match item.unwrap().get("v") {
                    Ok(Some(ValueRef::S(value))) => value.len(),
                    other => panic!("{other:?}"),
                })
                .await
        });
        assert_eq!(length.unwrap().unwrap(), 5);
    });
}

#[test]
fn a_collection_is_lent_item_by_item_until_the_visitor_has_enough() {
    on_each_shard_count(|engine| {
        create_composite(engine, ScalarKind::N);
        for sort in 0..20 {
            put(engine, COMPOSITE, item([("pk", text("p")), ("sk", number(sort))]));
        }
        let seen = engine.on_shard(COMPOSITE, text("p"), |access| async move {
            let above = SortCondition::Greater(KeyValue::N(decimal("5")));
            let mut seen = Vec::new();
            let visited = access.for_each(Some(&above), ScanDirection::Backward, |item| {
                seen.push(item.to_item().unwrap());
                if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            visited.await.map(|()| seen)
        });
        let expected: Vec<Item> =
            [19, 18, 17].map(|sort| item([("pk", text("p")), ("sk", number(sort))])).into();
        assert_eq!(seen.unwrap().unwrap(), expected);
    });
}

#[test]
fn work_on_a_shard_can_write_there() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let written = engine.on_shard(SIMPLE, text("k"), |access| async move {
            access.engine().put_item(PutItem::new(SIMPLE, item([("pk", text("k")), ("v", number(1))]))).await
        });
        written.unwrap().unwrap();
        assert!(get(engine, SIMPLE, item([("pk", text("k"))])).is_some());
    });
}

#[test]
fn keys_of_another_collection_and_wrong_types_are_refused() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let other = engine.on_shard(SIMPLE, text("k"), |access| async move {
            access.get(&item([("pk", text("another"))]), |found| found.is_some()).await
        });
        assert!(matches!(other.unwrap(), Err(Error::Validation(_))));
        let wrong = engine.on_shard(SIMPLE, Value::Bool(true), |_access| async {});
        assert!(matches!(wrong, Err(Error::Validation(_))));
        let missing = engine.on_shard("none", text("k"), |_access| async {});
        assert!(matches!(missing, Err(Error::TableNotFound { .. })));
    });
}

#[test]
fn a_table_on_its_shard_puts_and_lends_its_own_items_and_names_the_owner_of_others() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let seen = engine.on_shard(SIMPLE, text("k0"), |access| async move {
            let table = access.engine().local_table(SIMPLE)?;
            let keys = || (0..32).map(|number| format!("k{number}"));
            // Whoever owns them: what is not this shard's travels.
            table.put_all(keys().map(|key| item([("pk", text(&key)), ("v", number(1))]))).await?;
            let (mut own, mut others) = (0, 0);
            for key in keys().map(KeyValue::S) {
                let is_own = table.owner(&key)? == access.engine().shard();
                match table.get(&key, None, |found| found.is_some()).await {
                    Ok(found) => own += usize::from(found && is_own),
                    Err(Error::PartitionMoved { .. }) => others += usize::from(!is_own),
                    Err(error) => return Err(error),
                }
            }
            Ok((own, others))
        });
        let (own, others) = seen.unwrap().unwrap();
        assert_eq!((own > 0, own + others), (true, 32), "each is lent where it is, and nowhere else");
        for key in 0..32 {
            assert!(get(engine, SIMPLE, item([("pk", text(&format!("k{key}")))])).is_some());
        }
    });
}

#[test]
fn a_table_on_its_shard_refuses_what_is_no_key_of_it() {
    on_each_shard_count(|engine| {
        create_simple(engine);
        let refused = engine.on_shard(SIMPLE, text("k"), |access| async move {
            let table = access.engine().local_table(SIMPLE)?;
            let (own, empty) = (KeyValue::S("k".to_owned()), KeyValue::S(String::new()));
            let keys = [(&KeyValue::B(vec![1]), None), (&own, Some(&own)), (&empty, None)];
            let mut refused = 0;
            for (partition, sort) in keys {
                let answer = table.get(partition, sort, |_| ()).await;
                refused += usize::from(matches!(answer, Err(Error::Validation(_))));
            }
            Ok::<_, Error>((refused, table.owner(keys[0].0).is_err()))
        });
        assert_eq!(refused.unwrap().unwrap(), (3, true));
    });
}
