//! The loop that keeps every connection busy: one thread, woken by epoll.

use std::{
    collections::VecDeque,
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use basalt_benches::{
    report::{Measured, latency_histogram},
    test_item::TestItems,
};
use hdrhistogram::Histogram;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use crate::{
    answer::{Answer, Verdict},
    connection::Connection,
    order::Order,
    request::{Endpoint, Operation, RequestWriter},
};

/// How long a request waits that the server had no room for; SDKs begin with about as much.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// A server that says nothing at all for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What one run does.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) table: &'a str,
    pub(crate) operation: Operation,
    pub(crate) connections: u16,
    pub(crate) items: TestItems,
    pub(crate) order: Order,
    /// `None`: until the order is at its end.
    pub(crate) duration: Option<Duration>,
    /// Whether a get must be answered with its item.
    pub(crate) check: bool,
}

/// What one run found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) measured: Measured,
    pub(crate) elapsed: Duration,
    pub(crate) item_count: u64,
    pub(crate) throttled: u64,
}

/// Runs a plan to its end.
pub(crate) fn drive(endpoint: &Endpoint, plan: &Plan<'_>) -> Result<Outcome, String> {
    let mut driver = Driver::connect(endpoint, plan).map_err(|error| format!("cannot connect: {error}"))?;
    driver.run()?;
    let elapsed = driver.started.elapsed();
    Ok(Outcome {
        measured: Measured::of(elapsed, &[driver.latencies]),
        elapsed,
        item_count: driver.item_count,
        throttled: driver.throttled,
    })
}

struct Driver<'a> {
    plan: &'a Plan<'a>,
    writer: RequestWriter,
    order: Order,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Connections whose request is to be sent again, by the time for it.
    resting: VecDeque<(Instant, usize)>,
    busy: usize,
    started: Instant,
    latencies: Histogram<u64>,
    item_count: u64,
    throttled: u64,
}

impl<'a> Driver<'a> {
    fn connect(endpoint: &Endpoint, plan: &'a Plan<'a>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for index in 0..u64::from(plan.connections) {
            let connection = Connection::open(endpoint.address)?;
            epoll::add(&epoll, &connection.stream, epoll::EventData::new_u64(index), epoll::EventFlags::IN)?;
            connections.push(connection);
        }
        Ok(Self {
            plan,
            writer: RequestWriter::new(endpoint, plan.table, plan.operation, plan.items),
            order: plan.order.clone(),
            epoll,
            connections,
            resting: VecDeque::new(),
            busy: 0,
            started: Instant::now(),
            latencies: latency_histogram(),
            item_count: 0,
            throttled: 0,
        })
    }

    fn run(&mut self) -> Result<(), String> {
        for index in 0..self.connections.len() {
            self.start_next(index).map_err(|error| format!("the first request: {error}"))?;
        }
        let mut events = Vec::with_capacity(self.connections.len());
        while self.busy > 0 && !self.is_over() {
            let timeout = self.resume_rested().map_err(|error| lost(&error))?;
            let timeout = Timespec::try_from(timeout).expect("a minute is a time");
            let count = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout));
            match count {
                Ok(0) if self.resting.is_empty() => return Err(format!("no answer for {SILENCE_MAX:?}")),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(lost(&error.into())),
            }
            for event in events.drain(..) {
                self.serve(event.data.u64() as usize, event.flags)?;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.plan.duration.is_some_and(|duration| self.started.elapsed() >= duration)
    }

    /// Moves one connection on.
    fn serve(&mut self, index: usize, flags: epoll::EventFlags) -> Result<(), String> {
        if flags.contains(epoll::EventFlags::OUT) && self.send(index).map_err(|error| lost(&error))? {
            self.watch(index, epoll::EventFlags::IN).map_err(|error| lost(&error))?;
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
            && let Some(answer) = self.connections[index].receive().map_err(|error| lost(&error))?
        {
            self.finish(index, &answer)?;
        }
        Ok(())
    }

    /// Judges an answer, and sends the next request.
    fn finish(&mut self, index: usize, answer: &Answer) -> Result<(), String> {
        let connection = &self.connections[index];
        let body = connection.body(answer);
        match answer.verdict(body) {
            Verdict::Failed => {
                let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
                return Err(format!("{} was answered {}: {text}", self.plan.operation.name(), answer.status));
            }
            Verdict::Again => {
                self.throttled += 1;
                self.resting.push_back((Instant::now() + RETRY_DELAY, index));
                return Ok(());
            }
            Verdict::Done => {}
        }
        let numbers = connection.numbers.clone();
        if self.plan.check && !self.plan.items.are_in(body, numbers.start) {
            let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
            return Err(format!("item {} was answered with something else: {text}", numbers.start));
        }
        self.latencies.saturating_record(connection.started.elapsed().as_nanos() as u64);
        self.item_count += numbers.end - numbers.start;
        self.busy -= 1;
        self.start_next(index).map_err(|error| lost(&error))
    }

    /// Sends the next request of the order, if there is one.
    fn start_next(&mut self, index: usize) -> io::Result<()> {
        let numbers = self.order.next(self.plan.operation.items_max());
        if numbers.is_empty() {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        connection.numbers = numbers.clone();
        self.writer.write(numbers, &mut connection.request);
        connection.started = Instant::now();
        self.busy += 1;
        self.send_from_start(index)
    }

    /// Sends again what has rested long enough; tells how long nothing needs to be done.
    fn resume_rested(&mut self) -> io::Result<Duration> {
        while let Some(&(due, index)) = self.resting.front() {
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                return Ok(wait);
            }
            self.resting.pop_front();
            self.send_from_start(index)?;
        }
        Ok(SILENCE_MAX)
    }

    fn send_from_start(&mut self, index: usize) -> io::Result<()> {
        self.connections[index].restart();
        if !self.send(index)? {
            self.watch(index, epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
        }
        Ok(())
    }

    fn send(&mut self, index: usize) -> io::Result<bool> {
        self.connections[index].send()
    }

    fn watch(&self, index: usize, flags: epoll::EventFlags) -> io::Result<()> {
        let data = epoll::EventData::new_u64(index as u64);
        Ok(epoll::modify(&self.epoll, &self.connections[index].stream, data, flags)?)
    }
}

fn lost(error: &io::Error) -> String {
    format!("a connection was lost: {error}")
}
