//! A query or scan, page after page.

use std::sync::Arc;

use basalt_format::native::frame::{FLAG_PAGES, FrameKind};

use crate::answer::Answer;
use crate::client::answer_of;
use crate::connection::{Call, Connection};
use crate::error::Error;
use crate::request::Request;

/// Pages on their way. Dropping them asks the server for no more.
#[derive(Debug)]
pub struct Pages {
    call: Call,
    is_at_end: bool,
}

impl Pages {
    pub(crate) async fn begin(connection: &Arc<Connection>, request: Request) -> Result<Self, Error> {
        let code = request.code();
        let document = request.into_document();
        let call = connection.send(FrameKind::Request, code, FLAG_PAGES, &document).await?;
        Ok(Self { call, is_at_end: false })
    }

    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// When the server ends the pages with an exception, or the connection breaks. No page follows then.
    pub async fn next(&mut self) -> Result<Option<Answer>, Error> {
        if self.is_at_end {
            return Ok(None);
        }
        let page = self.call.next().await;
        self.is_at_end = !matches!(&page, Ok(page) if page.has_next);
        answer_of(page?).map(Some)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if !self.is_at_end {
            self.call.cancel();
        }
    }
}
