//! Items that nobody changes, put beside those of the other arenas until partitions are split under their load; judged
//! by scans: each one that was acknowledged is in its table and its indexes, once, for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Arena, Finding, Witness, testimonies};
use crate::{
    connection::Service,
    session::{Session, Told},
    tail::Records,
    wire::{list, text, to_text},
};

/// What an item weighs beside its keys.
const WEIGHT_BYTES: u64 = 4 << 10;
/// Begins the partition key of each, so that a scan tells them from the items of other arenas.
const PREFIX: &str = "bystander-";

/// A table, or one of its indexes.
pub(crate) type View = (&'static str, Option<&'static str>);

/// The arena of bystanders.
pub(crate) struct Growth<'a> {
    /// Whose tables grow.
    arenas: &'a [&'a dyn Arena],
    /// Between one item for each table and the next.
    pause: Duration,
    sent: Mutex<Sent>,
}

/// By table, the names of all items of all rounds.
#[derive(Debug, Default)]
struct Sent {
    acknowledged: BTreeMap<&'static str, BTreeSet<String>>,
    /// Perhaps there.
    unknown: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Witness for Sent {}

impl Sent {
    fn absorb(&mut self, other: Sent) {
        for (all, more) in [(&mut self.acknowledged, other.acknowledged), (&mut self.unknown, other.unknown)]
        {
            for (table, names) in more {
                all.entry(table).or_default().extend(names);
            }
        }
    }
}

impl<'a> Growth<'a> {
    /// Lets each table of `arenas` grow by so many bytes a second.
    pub(crate) fn new(arenas: &'a [&'a dyn Arena], bytes_a_second: u64) -> Self {
        let pause = Duration::from_secs(1).mul_f64(WEIGHT_BYTES as f64 / bytes_a_second.max(1) as f64);
        Self { arenas, pause, sent: Mutex::default() }
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().expect("nobody panics while holding it")
    }

    fn put_one_each(&self, session: &mut Session<'_>, sent: &mut Sent) -> Result<(), String> {
        let name = format!("{PREFIX}{}", session.fresh());
        for (table, mut item) in self.arenas.iter().flat_map(|arena| arena.bystanders(&name)) {
            item["weight"] = text("w".repeat(WEIGHT_BYTES as usize));
            let (told, _) = session.call("PutItem", &json!({"TableName": table, "Item": item}))?;
            let names = match told {
                Told::Answer(_) => &mut sent.acknowledged,
                Told::Nothing => &mut sent.unknown,
                Told::Refusal { body, .. } => return Err(format!("PutItem of {name}: {body}")),
            };
            names.entry(table).or_default().insert(name.clone());
        }
        Ok(())
    }
}

impl Arena for Growth<'_> {
    fn tables(&self) -> Vec<Value> {
        Vec::new()
    }

    fn streamed_table(&self) -> Option<&'static str> {
        None
    }

    fn bystanders(&self, _name: &str) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn views(&self) -> Vec<View> {
        Vec::new()
    }

    fn client_count(&self) -> u32 {
        1
    }

    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String> {
        let mut sent = Sent::default();
        while !session.course.is_over() {
            self.put_one_each(session, &mut sent)?;
            thread::sleep(self.pause);
        }
        Ok(Box::new(sent))
    }

    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        _records: &Records,
    ) -> Result<Finding, String> {
        testimonies(witnesses).for_each(|sent| self.sent().absorb(sent));
        let sent = self.sent();
        let mut finding = Finding::default();
        for view in self.arenas.iter().flat_map(|arena| arena.views()) {
            let found = scan(session, view)?;
            finding.judged("sights of bystanders", found.len());
            judge_view(&mut finding, view, &sent, &found);
        }
        Ok(finding)
    }
}

fn judge_view(finding: &mut Finding, view: View, sent: &Sent, found: &[String]) {
    let (table, _) = view;
    let none = BTreeSet::new();
    let acknowledged = sent.acknowledged.get(table).unwrap_or(&none);
    let unknown = sent.unknown.get(table).unwrap_or(&none);
    let mut seen = BTreeSet::new();
    let mut faults: Vec<String> = Vec::new();
    for name in found {
        if !seen.insert(name) {
            faults.push(format!("{name} is there twice"));
        }
        if !acknowledged.contains(name) && !unknown.contains(name) {
            faults.push(format!("{name} was never put"));
        }
    }
    faults.extend(
        acknowledged.iter().filter(|name| !seen.contains(name)).map(|name| format!("{name} is lost")),
    );
    for fault in faults {
        finding.fault(format!("{view:?}: bystander: {fault}"), || found.join("\n"));
    }
}

/// The names of all bystanders that a view shows, as often as it shows them.
fn scan(session: &mut Session<'_>, (table, index): View) -> Result<Vec<String>, String> {
    let mut body = json!({"TableName": table, "ProjectionExpression": "pk"});
    if let Some(index) = index {
        body["IndexName"] = json!(index);
    } else {
        body["ConsistentRead"] = json!(true);
    }
    let mut found = Vec::new();
    loop {
        let answer = session.demand(Service::Tables, "Scan", &body)?;
        for item in list(&answer, "Items")? {
            let name = to_text(&item["pk"])?;
            found.extend(name.starts_with(PREFIX).then(|| name.to_owned()));
        }
        match answer.get("LastEvaluatedKey") {
            Some(last) => body["ExclusiveStartKey"] = last.clone(),
            None => return Ok(found),
        }
    }
}
