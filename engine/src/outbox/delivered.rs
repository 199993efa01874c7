//! The moment from which an entry's changes can be seen in the indexes.

use basalt_runtime::local::Receiver;

use crate::error::Error;

/// Resolves when every index has received what an entry changed in it; at once if nobody is to wait for that.
#[must_use = "a write is answered when its indexes show it"]
pub(crate) struct Delivered {
    state: State,
}

enum State {
    Known(Result<(), Error>),
    Awaited(Receiver<Result<(), Error>>),
}

impl Delivered {
    pub(crate) fn already(outcome: Result<(), Error>) -> Self {
        Self { state: State::Known(outcome) }
    }

    pub(super) fn told_by(receiver: Receiver<Result<(), Error>>) -> Self {
        Self { state: State::Awaited(receiver) }
    }

    /// Waits for all of them.
    ///
    /// # Errors
    /// As [`Delivered::wait`].
    pub(crate) async fn wait_for_all(all: Vec<Self>) -> Result<(), Error> {
        for one in all {
            one.wait().await?;
        }
        Ok(())
    }

    /// Waits for it.
    ///
    /// # Errors
    /// When an index cannot receive for now. The entry is committed all the same, and delivered when the index can.
    pub(crate) async fn wait(self) -> Result<(), Error> {
        match self.state {
            State::Known(outcome) => outcome,
            State::Awaited(receiver) => receiver.await.unwrap_or(Err(Error::Closed)),
        }
    }
}
