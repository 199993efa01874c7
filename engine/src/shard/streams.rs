//! Runs the stream operations: each shard reads and trims the streams of its own partitions.

use std::{sync::Arc, time::Duration};

use basalt_format::stream_record::StreamPosition;
use basalt_runtime::join_all;
use basalt_storage::{EntryIndex, HybridTime, Partition, Stop, View};

use super::LocalEngine;
use crate::{
    catalog::{Catalog, ClosedPartition, StreamDescription, StreamPartition, Table, TablePartition},
    error::{Error, ValidationError},
    operation::{
        DESCRIBE_STREAM_SHARDS_MAX, DescribeStream, DescribeStreamOutput, GET_RECORDS_MAX, GetRecords,
        GetRecordsOutput, GetShardIterator, IteratorStart, LIST_STREAMS_MAX, ListStreams, ListStreamsOutput,
        StreamName, StreamShard,
    },
    stream::{
        Kept, RETENTION, RecordPage, SequenceNumber, ShardIterator, StreamShardId, Trimmed,
        first_at_or_after, horizon, last_position, remove_all_but, remove_records, trim_records,
    },
};

/// Streams are trimmed so often.
const TRIM_INTERVAL: Duration = Duration::from_mins(1);

/// A stream as the catalog has it now.
struct KnownStream {
    table: Arc<Table>,
    stream: StreamDescription,
}

impl LocalEngine {
    /// Lists streams, by table and label.
    pub async fn list_streams(&self, request: ListStreams) -> Result<ListStreamsOutput, Error> {
        list_streams(&self.catalog(), &request)
    }

    /// Tells what a stream is, and its shards.
    pub async fn describe_stream(&self, request: DescribeStream) -> Result<DescribeStreamOutput, Error> {
        let KnownStream { table, stream } = self.known_stream(&request.stream)?;
        let limit = request.limit.unwrap_or(DESCRIBE_STREAM_SHARDS_MAX) as usize;
        let mut places = shard_places(&table, &stream, &request);
        let has_more = places.len() > limit;
        places.truncate(limit);
        let last_evaluated_shard = places.last().map(|(id, _)| *id).filter(|_| has_more);
        let telling = places.into_iter().map(|(id, place)| {
            let name = request.stream.clone();
            self.run_on(self.owner(place.partition), move |owner| async move {
                owner.describe_shard_here(&name, id).await
            })
        });
        let shards = join_all(telling).await.into_iter().collect::<Result<_, Error>>()?;
        Ok(DescribeStreamOutput {
            stream: request.stream,
            is_enabled: stream.is_enabled(),
            view_type: stream.view_type,
            created_unix_us: stream.created_unix_us,
            key_schema: table.schema().clone(),
            shards,
            last_evaluated_shard,
        })
    }

    /// Begins to read a stream shard.
    pub async fn get_shard_iterator(&self, request: GetShardIterator) -> Result<ShardIterator, Error> {
        let mut known = self.known_stream(&request.stream)?;
        if known.place_of_shard(request.shard).is_err() {
            // A split may have made it that another shard has told of.
            self.until_newest_catalog().await?;
            known = self.known_stream(&request.stream)?;
        }
        let owner = self.owner(known.place_of_shard(request.shard)?.partition);
        self.run_on(owner, move |owner| async move { owner.get_shard_iterator_here(&request).await }).await
    }

    /// Reads records of a stream shard.
    pub async fn get_records(&self, request: GetRecords) -> Result<GetRecordsOutput, Error> {
        let mut known = self.known_stream(&request.stream)?;
        if known.place_of_iterator(&request.iterator).is_err() {
            self.until_newest_catalog().await?;
            known = self.known_stream(&request.stream)?;
        }
        let owner = self.owner(known.place_of_iterator(&request.iterator)?.partition);
        self.run_on(owner, move |owner| async move { owner.get_records_here(&request).await }).await
    }

    fn known_stream(&self, name: &StreamName) -> Result<KnownStream, Error> {
        let catalog = self.catalog();
        let known = tables_named(&catalog, &name.table_name).find_map(|table| {
            let stream = table.streams.iter().find(|stream| stream.label() == name.label)?;
            Some(KnownStream { table: Arc::clone(table), stream: *stream })
        });
        known.ok_or_else(|| Error::StreamNotFound { table_name: name.table_name.clone(), label: name.label })
    }

    async fn describe_shard_here(&self, name: &StreamName, id: StreamShardId) -> Result<StreamShard, Error> {
        let known = self.known_stream(name)?;
        let number = known.stream.number;
        let place = known.place_of_shard(id)?;
        let ends = self.read_stream(&known, place, |view| {
            let (oldest, newest) = (horizon(number, view)?, last_position(number, view)?);
            Ok(oldest.and_then(|oldest| Ok((oldest, newest?))).map_err(Error::from))
        });
        let (oldest, newest) = ends.await?.unwrap_or_default();
        let starting = oldest.unwrap_or(StreamPosition::START);
        let ending = known.takes_no_more(place).then(|| newest.unwrap_or(starting));
        let parent = known.table.parent_in_stream(place.partition, number);
        let base = place.partition.lineage.sequence_base;
        Ok(StreamShard {
            id,
            parent: parent.map(|parent| StreamShardId::new(known.stream.label(), parent)),
            starting: SequenceNumber::of(starting, base),
            ending: ending.map(|ending| SequenceNumber::of(ending, base)),
        })
    }

    async fn get_shard_iterator_here(&self, request: &GetShardIterator) -> Result<ShardIterator, Error> {
        let known = self.known_stream(&request.stream)?;
        let place = known.place_of_shard(request.shard)?;
        let (partition, base) = (place.partition.id, place.partition.lineage.sequence_base);
        let (number, start) = (known.stream.number, request.start);
        let committed = self.store().partition(partition).map(|partition| partition.stats().committed);
        let committed = committed.unwrap_or_default();
        let position = self.read_stream(&known, place, |view| {
            Ok(match horizon(number, view)? {
                Ok(oldest) => start_position(number, base, start, oldest, committed, view)?,
                Err(reason) => Err(reason.into()),
            })
        });
        let position = match position.await? {
            Some(position) => position,
            None => start_of_nothing(base, start)?,
        };
        let now = self.handle().unix_time();
        Ok(ShardIterator::new(&known.table, &known.stream, partition, position, now))
    }

    async fn get_records_here(&self, request: &GetRecords) -> Result<GetRecordsOutput, Error> {
        let known = self.known_stream(&request.stream)?;
        let (iterator, now) = (&request.iterator, self.handle().unix_time());
        let place = known.place_of_iterator(iterator)?;
        if iterator.is_expired(now) {
            return Err(Error::IteratorExpired);
        }
        let KnownStream { table, stream } = &known;
        let limit = request.limit.unwrap_or(GET_RECORDS_MAX).min(GET_RECORDS_MAX) as usize;
        let mut page = RecordPage::from(iterator.position(), table, stream, place.partition, limit);
        self.read_stream(&known, place, |view| page.read(view)).await?;
        let is_drained = known.takes_no_more(place) && !page.is_full();
        let id = place.partition.id;
        let next = (!is_drained).then(|| ShardIterator::new(table, stream, id, page.next, now));
        Ok(GetRecordsOutput { records: page.records, view_type: stream.view_type, next })
    }

    /// Runs `read` on the partition of a shard; `None` if nothing was ever written to it.
    ///
    /// Where no more records come the newest state is read, and waited for: the last ones may not be durable yet, and who
    /// is told that there are no more must have got them.
    async fn read_stream<T>(
        &self,
        known: &KnownStream,
        place: StreamPartition<'_>,
        mut read: impl FnMut(&View<'_>) -> Result<Result<T, Error>, Stop>,
    ) -> Result<Option<T>, Error> {
        let Some(partition) = self.store().partition(place.partition.id) else { return Ok(None) };
        if !known.takes_no_more(place) {
            return partition.read(read).await?.map(Some);
        }
        let (outcome, commit) = partition.write(|view, _nothing| read(view)).await?;
        commit.wait().await?;
        outcome.map(Some)
    }
}

impl KnownStream {
    /// Whether a shard of the stream takes no more records.
    fn takes_no_more(&self, place: StreamPartition<'_>) -> bool {
        place.is_closed || !self.stream.is_enabled()
    }

    fn place_of_shard(&self, shard: StreamShardId) -> Result<StreamPartition<'_>, Error> {
        let label = self.stream.label();
        let mut places = self.table.partitions_of_stream(self.stream.number);
        let place = places.find(|place| StreamShardId::new(label, place.partition) == shard);
        place.ok_or_else(|| Error::StreamShardNotFound {
            table_name: self.table.name.to_string(),
            label,
            shard,
        })
    }

    fn place_of_iterator(&self, iterator: &ShardIterator) -> Result<StreamPartition<'_>, Error> {
        let mut places = self.table.partitions_of_stream(self.stream.number);
        places
            .find(|place| place.partition.id == iterator.partition())
            .filter(|_| iterator.is_of(&self.table, &self.stream))
            .ok_or_else(|| ValidationError::ShardIterator.into())
    }
}

/// Where a reader begins, given what is left of the stream.
fn start_position(
    stream_number: u32,
    sequence_base: u64,
    start: IteratorStart,
    oldest: Option<StreamPosition>,
    committed: EntryIndex,
    view: &View<'_>,
) -> Result<Result<StreamPosition, Error>, Stop> {
    let oldest = oldest.unwrap_or(StreamPosition::START);
    let known = |number: SequenceNumber| match number.position(sequence_base) {
        // Of a forebear.
        None => Err(ValidationError::SequenceNumber.into()),
        Some(trimmed) if trimmed < oldest => Err(Error::StreamTrimmed),
        Some(unknown) if unknown.entry_index > committed.get() => Err(ValidationError::SequenceNumber.into()),
        Some(position) => Ok(position),
    };
    Ok(match start {
        IteratorStart::TrimHorizon => Ok(oldest),
        IteratorStart::Latest => Ok(StreamPosition { entry_index: committed.next().get(), change: 0 }),
        IteratorStart::AtSequenceNumber(number) => known(number),
        IteratorStart::AfterSequenceNumber(number) => known(number).map(StreamPosition::next),
        IteratorStart::AtTimestamp { unix_us } => {
            let time = HybridTime::new(unix_us);
            first_at_or_after(stream_number, time, oldest, committed, view)?.map_err(Error::from)
        }
    })
}

/// Where a reader of a partition begins to which nothing was ever written.
fn start_of_nothing(sequence_base: u64, start: IteratorStart) -> Result<StreamPosition, Error> {
    match start {
        IteratorStart::AtSequenceNumber(number) | IteratorStart::AfterSequenceNumber(number)
            if number.position(sequence_base) != Some(StreamPosition::START) =>
        {
            Err(ValidationError::SequenceNumber.into())
        }
        _ => Ok(StreamPosition::START),
    }
}

/// A stream's shards that a request asks for, by their names.
fn shard_places<'a>(
    table: &'a Table,
    stream: &StreamDescription,
    request: &DescribeStream,
) -> Vec<(StreamShardId, StreamPartition<'a>)> {
    let label = stream.label();
    let is_child = |place: &StreamPartition<'_>, of: StreamShardId| {
        let parent = table.parent_in_stream(place.partition, stream.number);
        parent.is_some_and(|parent| StreamShardId::new(label, parent) == of)
    };
    let shards = table.partitions_of_stream(stream.number);
    let shards = shards.filter(|place| request.children_of.is_none_or(|parent| is_child(place, parent)));
    let shards = shards.map(|place| (StreamShardId::new(label, place.partition), place));
    let mut shards: Vec<_> = shards.filter(|(id, _)| Some(*id) > request.exclusive_start_shard).collect();
    shards.sort_by_key(|(id, _)| *id);
    shards
}

/// The table of this name, and deleted ones whose streams can still be read.
fn tables_named<'a>(catalog: &'a Catalog, name: &'a str) -> impl Iterator<Item = &'a Arc<Table>> {
    let departed = catalog.departed().filter(move |table| *table.name == *name && !table.streams.is_empty());
    catalog.table(name).into_iter().chain(departed)
}

fn list_streams(catalog: &Catalog, request: &ListStreams) -> Result<ListStreamsOutput, Error> {
    if let Some(table_name) = &request.table_name
        && tables_named(catalog, table_name).next().is_none()
    {
        catalog.expect(table_name)?;
    }
    let limit = request.limit.unwrap_or(LIST_STREAMS_MAX).min(LIST_STREAMS_MAX) as usize;
    let is_asked_for = |table: &Table| request.table_name.as_deref().is_none_or(|name| *table.name == *name);
    let mut streams: Vec<StreamName> = catalog
        .tables_of_streams()
        .filter(|table| is_asked_for(table))
        .flat_map(|table| {
            let name = |stream: &StreamDescription| StreamName {
                table_name: table.name.to_string(),
                label: stream.label(),
            };
            table.streams.iter().map(name)
        })
        .filter(|stream| request.exclusive_start.as_ref().is_none_or(|start| stream > start))
        .collect();
    streams.sort();
    let has_more = streams.len() > limit;
    streams.truncate(limit);
    let last_evaluated = streams.last().filter(|_| has_more).cloned();
    Ok(ListStreamsOutput { streams, last_evaluated })
}

// --- Trimming, in the background.

impl LocalEngine {
    /// Trims streams for as long as the shard lives. Costs nothing while there is no stream, nor a deleted table.
    pub(super) async fn trim_streams_forever(self) {
        loop {
            self.until_catalog(|catalog| {
                let has_streams = catalog.tables().any(|table| !table.streams.is_empty());
                has_streams || catalog.departed().next().is_some()
            })
            .await;
            self.handle().sleep(TRIM_INTERVAL).await;
            if matches!(self.trim_streams().await, Err(Error::Closed)) {
                return;
            }
        }
    }

    /// Trims all streams once. The catalog's shard also forgets those that nobody can read any more.
    pub(super) async fn trim_streams(&self) -> Result<(), Error> {
        let (catalog, now) = (self.catalog(), self.handle().unix_time());
        for table in catalog.tables() {
            tell(self.clear_closed(table, Kept::OF_A_SPLIT).await, &table.name)?;
        }
        for table in catalog.departed() {
            tell(self.clear_closed(table, Kept::OF_A_DELETED_TABLE).await, &table.name)?;
        }
        for table in catalog.tables_of_streams() {
            for stream in &table.streams {
                tell(self.trim_stream(table, stream).await, &table.name)?;
            }
        }
        if self.shard() != super::CATALOG_SHARD {
            return Ok(());
        }
        for table in catalog.tables() {
            for stream in table.streams.iter().filter(|stream| stream.is_past(now)) {
                tell(self.forget_stream(table, stream).await, &table.name)?;
            }
            for closed in table.closed.iter().filter(|closed| self.has_nothing_left(table, closed)) {
                tell(self.forget_closed(table, closed.partition.id).await, &table.name)?;
            }
        }
        for table in catalog.departed().filter(|table| table.streams.iter().all(|stream| stream.is_past(now)))
        {
            tell(self.forget_departed(table).await, &table.name)?;
        }
        Ok(())
    }

    /// Gives back the room of everything that closed partitions are not kept for.
    async fn clear_closed(&self, table: &Table, kept: Kept) -> Result<(), Error> {
        for partition in self.open_here(table.closed.iter().map(|closed| &closed.partition)) {
            loop {
                let (removed, commit) =
                    partition.write(|view, batch| remove_all_but(kept, view, batch)).await?;
                commit.wait().await?;
                if removed == Trimmed::All {
                    break;
                }
                self.handle().yield_now().await;
            }
        }
        Ok(())
    }

    /// Forgets a deleted table whose streams nobody can read any more, unless tokens still answer in it.
    async fn forget_departed(&self, departed: &Table) -> Result<(), Error> {
        if self.has_tokens(departed).await? {
            return Ok(());
        }
        self.catalog_writer().forget_departed(departed).await?;
        self.spread(self.catalog().without_departed(departed.number)).await?;
        self.drop_everywhere(departed.all_partitions().map(|(_, partition)| partition.id).collect()).await
    }

    async fn trim_stream(&self, table: &Table, stream: &StreamDescription) -> Result<(), Error> {
        for partition in self.own_stream_partitions(table) {
            loop {
                let now = self.handle().unix_time();
                let (trimmed, commit) =
                    partition.write(|view, batch| trim_records(stream.number, now, view, batch)).await?;
                commit.wait().await?;
                if trimmed? == Trimmed::All {
                    break;
                }
                self.handle().yield_now().await;
            }
        }
        Ok(())
    }

    /// Whether a partition was split for so long that none of its records can be read any more, or its streams are gone.
    fn has_nothing_left(&self, table: &Table, closed: &ClosedPartition) -> bool {
        let now = self.handle().unix_time().as_micros();
        let is_old = Duration::from_micros(now.saturating_sub(closed.closed_unix_us)) > RETENTION;
        let first = closed.partition.lineage.first_stream;
        let has_stream = |stream: &StreamDescription| (first..=closed.last_stream).contains(&stream.number);
        is_old || !table.streams.iter().any(has_stream)
    }

    /// Removes what is left of a stream from every partition, then from the catalog: in this order, so that a crash
    /// leaves nothing behind that no stream names.
    async fn forget_stream(&self, table: &Arc<Table>, stream: &StreamDescription) -> Result<(), Error> {
        let (known, number) = (Arc::clone(table), stream.number);
        self.on_every_shard(move |shard| {
            let known = Arc::clone(&known);
            async move { shard.remove_stream(&known, number).await }
        })
        .await?;
        self.change_table(table, |table| {
            table.streams.retain(|stream| stream.number != number);
        })
        .await
    }

    async fn remove_stream(&self, table: &Table, stream_number: u32) -> Result<(), Error> {
        for partition in self.own_stream_partitions(table) {
            loop {
                let (removed, commit) =
                    partition.write(|view, batch| remove_records(stream_number, view, batch)).await?;
                commit.wait().await?;
                if removed == Trimmed::All {
                    break;
                }
                self.handle().yield_now().await;
            }
        }
        Ok(())
    }

    /// The partitions of a table that serve, that this shard owns and that were ever written to.
    pub(super) fn own_partitions(&self, table: &Table) -> Vec<Partition> {
        self.open_here(table.partitions.iter())
    }

    /// As [`LocalEngine::own_partitions`], and closed ones, whose stream records can be read.
    fn own_stream_partitions(&self, table: &Table) -> Vec<Partition> {
        self.open_here(table.partitions.iter().chain(table.closed.iter().map(|closed| &closed.partition)))
    }

    fn open_here<'a>(&self, partitions: impl Iterator<Item = &'a TablePartition>) -> Vec<Partition> {
        let own = partitions.filter(|partition| self.owner(partition) == self.shard());
        own.filter_map(|partition| self.store().partition(partition.id)).collect()
    }
}

/// What failed in the background is told and tried again later; only the engine's end is passed on.
pub(super) fn tell(outcome: Result<(), Error>, table_name: &str) -> Result<(), Error> {
    match outcome {
        Err(Error::Closed) => Err(Error::Closed),
        Err(Error::TableDropped) => Ok(()),
        Err(error) => {
            tracing::warn!(table_name, %error, "work in the background failed, and will be tried again");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
