//! What a client asks next.

use super::model::{Index, Model};
use super::requests::{
    Action, Change, Condition, EXPIRES, Faulty, INDEX, Item, Key, Request, Returns, Write,
};
use basalt_runtime::sim::Random;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PARTITIONS: u64 = 3;
const SORT_KEYS: i64 = 5;
const GROUPS: u64 = 3;
const WRITES_TOGETHER_MAX: u64 = 4;
const PAGE_ITEMS_MAX: usize = 6;
/// Of 1000 requests, how many are about the index.
const INDEX_PERMILLE: u32 = 80;
/// Of 1000 requests about an index that is there, how many remove it.
const INDEX_REMOVAL_PERMILLE: u32 = 150;
/// Items expire within this many seconds from now, but long after a life has ended.
const EXPIRY_SECONDS: (u64, u64) = (1_800, 3_500);
/// Most items are small; some fill pages, some have extents of their own.
pub(crate) const PADDINGS_BYTES: [usize; 6] = [0, 0, 40, 700, 3_000, 30_000];

/// What paddings are made of.
pub(crate) const PADDING: &str = "x";

/// Draws requests.
pub(crate) struct Generator {
    pub(crate) random: Random,
    /// Numbers tokens and texts.
    next: u64,
}

impl Generator {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, next: 0 }
    }

    /// A request; `now` is the calendar's time in seconds.
    pub(crate) fn request(&mut self, model: &Model, now: u64) -> Request {
        if model.items.is_none() && self.random.chance(700) {
            return Request::CreateTable;
        }
        if model.items.is_some() && self.random.chance(INDEX_PERMILLE) {
            return self.index_request(model.index);
        }
        // Other changes of a table are refused while its index is made or removed.
        let is_quiet = model.index.is_settled();
        match self.random.below(200) {
            0 if is_quiet => Request::DeleteTable,
            1..4 => Request::CreateTable,
            4..8 if is_quiet && !model.has_expired_items(now) => Request::EnableTimeToLive,
            0 | 4..8 => Request::Get(self.key()),
            8..28 => Request::Faulty(Faulty::ALL[self.random.index(Faulty::ALL.len())]),
            28..98 => self.single_write(now),
            98..110 => Request::Get(self.key()),
            110..115 if model.items.is_some() => {
                Request::Scan { limit: 1 + self.random.index(PAGE_ITEMS_MAX) }
            }
            110..122 => {
                let (partition, sort) = self.key();
                let start = self.random.coin().then_some(sort);
                let limit = 1 + self.random.index(PAGE_ITEMS_MAX);
                Request::Query { partition, start, limit, is_forward: self.random.coin() }
            }
            122..134 => {
                let keys = self.different_keys();
                let put = |key: Key| (key.clone(), self.random.chance(700).then(|| self.item(&key, now)));
                Request::BatchWrite(keys.into_iter().map(put).collect())
            }
            134..140 => Request::BatchGet(self.different_keys()),
            140..168 => self.transaction(model, now),
            168..174 => Request::TransactGet(self.different_keys()),
            174..182 => {
                let key = self.key();
                let item = self.item(&key, now);
                Request::Insert(key, item)
            }
            182..190 => Request::SetText(self.key(), self.text()),
            190..195 => Request::Remove(self.key()),
            _ => Request::Select(self.key()),
        }
    }

    fn index_request(&mut self, index: Index) -> Request {
        match index {
            Index::Absent => Request::CreateIndex,
            Index::BeingMade | Index::BeingRemoved => Request::AwaitIndex,
            Index::Present if self.random.chance(INDEX_REMOVAL_PERMILLE) => Request::DeleteIndex,
            Index::Present => Request::QueryIndex(self.group()),
        }
    }

    fn single_write(&mut self, now: u64) -> Request {
        let mut write = self.write(now);
        if write.action == Action::Check {
            write.action = Action::Delete;
        }
        let returns = match (&write.action, self.random.below(4)) {
            (_, 0) => Returns::Nothing,
            (_, 1) => Returns::OldOnFailure,
            (Action::Update(_), 2) => Returns::New,
            _ => Returns::Old,
        };
        Request::Write(write, returns)
    }

    /// New, or one with a token that is known: the same again, or another one under its token.
    fn transaction(&mut self, model: &Model, now: u64) -> Request {
        if !model.tokens.is_empty() && self.random.chance(300) {
            let known = self.random.index(model.tokens.len());
            let (token, writes) = model.tokens.iter().nth(known).expect("an index below the length");
            let (token, mut writes) = (Some(token.clone()), writes.clone());
            if self.random.chance(300) {
                writes = vec![self.write(now)];
            }
            return Request::TransactWrite { token, writes };
        }
        let keys = self.different_keys();
        let writes = keys.into_iter().map(|key| self.write_of(key, now)).collect();
        // Tokens are known to the whole account: clients must not give the same one twice.
        let token = self.random.coin().then(|| format!("token-{:016x}", self.random.next_u64()));
        Request::TransactWrite { token, writes }
    }

    fn write(&mut self, now: u64) -> Write {
        let key = self.key();
        self.write_of(key, now)
    }

    fn write_of(&mut self, key: Key, now: u64) -> Write {
        let condition = match self.random.below(10) {
            0 => Some(Condition::IsAbsent),
            1 | 2 => Some(Condition::IsPresent),
            3 => Some(Condition::CountIs(self.random.between(0, 5) as i64)),
            4 => Some(Condition::CountBelow(self.random.between(0, 20) as i64)),
            _ => None,
        };
        let (action, condition) = match self.random.below(20) {
            0..8 => (Action::Put(self.item(&key, now)), condition),
            8..11 => (Action::Delete, condition),
            11..18 => (Action::Update(self.changes()), condition),
            _ => (Action::Check, Some(condition.unwrap_or(Condition::IsPresent))),
        };
        Write { key, action, condition }
    }

    fn changes(&mut self) -> Vec<Change> {
        let all = [
            Change::SetText(self.text()),
            Change::Append(self.text()),
            Change::AddTotal(self.random.between(1, 9) as i64),
            Change::SetGroup(self.group()),
            Change::RemoveFlag,
        ];
        let mut changes: Vec<Change> = all.into_iter().filter(|_| self.random.chance(400)).collect();
        if changes.is_empty() || self.random.chance(300) {
            changes.push(Change::Increment(self.random.between(1, 9) as i64));
        }
        changes
    }

    /// An item with values of every type; `count` is missing sometimes, and sometimes no number.
    fn item(&mut self, key: &Key, now: u64) -> Item {
        let mut item = json!({
            "pk": {"S": key.0}, "sk": {"N": key.1.to_string()}, "text": {"S": self.text()},
            "flag": {"BOOL": self.random.coin()}, "nothing": {"NULL": true},
            "bytes": {"B": "AAEC/w=="}, "tags": {"SS": ["a", "b"]},
            "map": {"M": {"inner": {"L": [{"N": "1.5"}, {"S": "\u{e9}\"\\\n"}]}}},
        });
        match self.random.below(6) {
            0 => {}
            1 => item["count"] = json!({"S": "many"}),
            _ => item["count"] = json!({"N": self.random.between(0, 9).to_string()}),
        }
        if self.random.chance(600) {
            item[INDEX] = json!({"S": self.group()});
        }
        if self.random.chance(300) {
            let at = now + self.random.between(EXPIRY_SECONDS.0, EXPIRY_SECONDS.1);
            item[EXPIRES] = json!({"N": at.to_string()});
        }
        let padding = PADDINGS_BYTES[self.random.index(PADDINGS_BYTES.len())];
        if padding > 0 {
            item["padding"] = json!({"S": PADDING.repeat(padding)});
        }
        match item {
            Value::Object(item) => item,
            _ => unreachable!("made as an object"),
        }
    }

    fn group(&mut self) -> String {
        format!("group {}", self.random.below(GROUPS))
    }

    fn text(&mut self) -> String {
        self.next += 1;
        format!("text {}", self.next)
    }

    fn different_keys(&mut self) -> Vec<Key> {
        let keys = (0..self.random.between(1, WRITES_TOGETHER_MAX)).map(|_| self.key());
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn key(&mut self) -> Key {
        let sort = self.random.between(0, SORT_KEYS as u64 - 1) as i64;
        (format!("k{}", self.random.below(PARTITIONS)), sort - 2)
    }
}
