//! Follows a table's stream through the lives of the daemon, as a consumer would: parents before children, each shard
//! from its first record to its last.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem, thread,
    time::Duration,
};

use basalt_checkers::stream::Record;
use serde_json::{Value, json};

use crate::{
    connection::Service,
    session::{Session, Told},
    wire::list,
};

/// Between two looks at a stream that has nothing new.
const REST: Duration = Duration::from_millis(5);

/// Records by item, in the order of the stream.
#[derive(Debug, Default)]
pub(crate) struct Records(BTreeMap<String, Vec<Record<Value>>>);

impl Records {
    /// The records of one item.
    pub(crate) fn of(&self, key: &Value) -> &[Record<Value>] {
        self.0.get(&key.to_string()).map_or(&[], Vec::as_slice)
    }

    fn push(&mut self, change: &Value) {
        let image = |name: &str| change.get(name).cloned();
        let record = Record { old: image("OldImage"), new: image("NewImage") };
        self.0.entry(change["Keys"].to_string()).or_default().push(record);
    }
}

/// A consumer of one table's stream; keeps its place from round to round.
#[derive(Debug)]
pub(crate) struct Tail {
    table: &'static str,
    stream: String,
    /// By shard, where to read next.
    places: BTreeMap<String, Place>,
    /// Shards that were read to their end.
    finished: BTreeSet<String>,
    records: Records,
}

#[derive(Debug)]
struct Place {
    iterator: String,
    last_number: Option<String>,
}

impl Tail {
    pub(crate) fn new(session: &mut Session<'_>, table: &'static str) -> Result<Self, String> {
        let described = session.demand(Service::Tables, "DescribeTable", &json!({"TableName": table}))?;
        let stream =
            described["Table"]["LatestStreamArn"].as_str().ok_or("the table has no stream")?.to_owned();
        Ok(Self {
            table,
            stream,
            places: BTreeMap::new(),
            finished: BTreeSet::new(),
            records: Records::default(),
        })
    }

    pub(crate) fn table(&self) -> &'static str {
        self.table
    }

    /// Shards that were read to their end.
    pub(crate) fn finished_count(&self) -> usize {
        self.finished.len()
    }

    /// Reads until all is quiet, and then to the end: what was acknowledged is to be seen at once.
    pub(crate) fn run(&mut self, session: &mut Session<'_>) -> Result<(), String> {
        loop {
            let was_quiet = session.course.is_quiet();
            let count = self.read_all_shards(session)?;
            if was_quiet && count == 0 {
                return Ok(());
            }
            if count == 0 {
                thread::sleep(REST);
            }
        }
    }

    /// What was read since the last time.
    pub(crate) fn take_records(&mut self) -> Records {
        mem::take(&mut self.records)
    }

    fn read_all_shards(&mut self, session: &mut Session<'_>) -> Result<usize, String> {
        self.find_shards(session)?;
        let shards: Vec<String> = self.places.keys().cloned().collect();
        let mut count = 0;
        for shard in shards {
            count += self.read_shard(session, &shard)?;
        }
        Ok(count)
    }

    /// Begins to read shards whose parents were read to their end.
    fn find_shards(&mut self, session: &mut Session<'_>) -> Result<(), String> {
        let mut described = json!({"StreamArn": self.stream});
        loop {
            let answer = session.demand(Service::Streams, "DescribeStream", &described)?;
            let description = &answer["StreamDescription"];
            for shard in list(description, "Shards")? {
                let name = shard["ShardId"].as_str().ok_or("a shard without a name")?;
                let is_known = self.places.contains_key(name) || self.finished.contains(name);
                let parent = shard["ParentShardId"].as_str();
                if !is_known && parent.is_none_or(|parent| self.finished.contains(parent)) {
                    self.begin_shard(session, name)?;
                }
            }
            match description.get("LastEvaluatedShardId") {
                Some(last) => described["ExclusiveStartShardId"] = last.clone(),
                None => return Ok(()),
            }
        }
    }

    fn begin_shard(&mut self, session: &mut Session<'_>, shard: &str) -> Result<(), String> {
        let iterator = self.iterator(session, shard, None)?;
        self.places.insert(shard.to_owned(), Place { iterator, last_number: None });
        Ok(())
    }

    fn iterator(
        &self,
        session: &mut Session<'_>,
        shard: &str,
        behind: Option<&str>,
    ) -> Result<String, String> {
        let mut body =
            json!({"StreamArn": self.stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(number) = behind {
            body["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            body["SequenceNumber"] = json!(number);
        }
        let answer = session.demand(Service::Streams, "GetShardIterator", &body)?;
        answer["ShardIterator"].as_str().map(str::to_owned).ok_or_else(|| format!("no iterator: {answer}"))
    }

    /// One page of a shard; returns how many records it had.
    fn read_shard(&mut self, session: &mut Session<'_>, shard: &str) -> Result<usize, String> {
        let place = &self.places[shard];
        let (told, _) =
            session.ask(Service::Streams, "GetRecords", &json!({"ShardIterator": place.iterator}))?;
        let answer = match told {
            Told::Answer(answer) => answer,
            Told::Refusal { body, .. } => return Err(format!("GetRecords: {body}")),
            Told::Nothing => return self.resume(session, shard),
        };
        let records = list(&answer, "Records")?;
        for record in records {
            self.records.push(&record["dynamodb"]);
        }
        let place = self.places.get_mut(shard).expect("it is being read");
        if let Some(last) = records.last() {
            place.last_number = last["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
        }
        match answer.get("NextShardIterator").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut place.iterator),
            None => {
                self.places.remove(shard);
                self.finished.insert(shard.to_owned());
            }
        }
        // The end of a shard is news, too: its children are next.
        Ok(records.len() + usize::from(self.finished.contains(shard)))
    }

    /// After a crash: half of the time with the iterator of before, which is as good as ever.
    fn resume(&mut self, session: &mut Session<'_>, shard: &str) -> Result<usize, String> {
        let behind = self.places[shard].last_number.clone();
        if session.chance.one_in(2) && behind.is_some() {
            let iterator = self.iterator(session, shard, behind.as_deref())?;
            self.places.get_mut(shard).expect("it is being read").iterator = iterator;
        }
        Ok(1)
    }
}
