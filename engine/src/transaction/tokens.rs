//! Which tokens are in use: those of running transactions, and for ten minutes those of ended ones.
//!
//! A token belongs to one shard, by its hash, which remembers where its row lies and no more. What is here is bounded;
//! when it is full, new transactions with tokens are refused rather than old tokens forgotten: a transaction that ran
//! twice cannot be mended.
//!
//! Pure memory; a start makes it anew from the tokens' rows.

use std::collections::{BTreeMap, VecDeque};

use basalt_format::{checksum::xxh3_128, transaction::TokenSpace};
use basalt_storage::PartitionId;

/// How long a token answers for its transaction, from its end on.
pub(crate) const TOKEN_LIFETIME_US: u64 = 10 * 60 * 1_000_000;
/// Memory that one token costs, with its place in the map and in the queue.
const TOKEN_MEMORY_BYTES: u64 = 128;
/// The part of the memory budget that tokens may take.
const TOKEN_MEMORY_SHARE: u64 = 8;

/// A token's hash, which stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenHash(u128);

/// Where an ended transaction's token row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenPlace {
    /// In which partition.
    pub(crate) partition: PartitionId,
    /// When the transaction ended, as its row says.
    pub(crate) unix_us: u64,
}

/// What may be done with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The transaction may run; the token is its own until it is released or finished.
    Granted,
    /// The transaction has ended: it is to be answered from this row.
    Ended(TokenPlace),
    /// The transaction is running.
    Running,
    /// The token is another request's.
    Mismatch,
    /// No more tokens can be remembered now.
    Full,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    digest: u128,
    /// `None` while the transaction runs.
    ended: Option<TokenPlace>,
}

/// The tokens of one shard.
#[derive(Debug)]
pub(crate) struct Tokens {
    known: BTreeMap<TokenHash, Token>,
    /// Ended ones, in the order of their ends as far as these were told in order.
    ending: VecDeque<(u64, TokenHash)>,
    count_max: usize,
}

impl TokenHash {
    /// The hash of a token in its space.
    pub(crate) fn of(space: TokenSpace, token: &str) -> Self {
        Self(xxh3_128(token.as_bytes(), space as u64))
    }

    /// The shard that the token belongs to.
    pub(crate) fn shard(self, shard_count: u16) -> u16 {
        let shard = self.0 % u128::from(shard_count);
        u16::try_from(shard).expect("a remainder is less than the shard count")
    }
}

impl Tokens {
    /// No tokens, and room for as many as one of `shard_count` shards may remember.
    pub(crate) fn within(memory_budget_bytes: u64, shard_count: u16) -> Self {
        let share = memory_budget_bytes / TOKEN_MEMORY_SHARE / u64::from(shard_count.max(1));
        let count_max = usize::try_from(share / TOKEN_MEMORY_BYTES).unwrap_or(usize::MAX);
        Self { known: BTreeMap::new(), ending: VecDeque::new(), count_max }
    }

    /// Asks to run the transaction of a token.
    pub(crate) fn claim(&mut self, hash: TokenHash, digest: u128, now_us: u64) -> Claim {
        self.expire(now_us);
        match self.known.get(&hash) {
            Some(token) if token.digest != digest => Claim::Mismatch,
            Some(Token { ended: Some(place), .. }) => Claim::Ended(*place),
            Some(_) => Claim::Running,
            None if self.known.len() >= self.count_max => Claim::Full,
            None => {
                self.known.insert(hash, Token { digest, ended: None });
                Claim::Granted
            }
        }
    }

    /// The transaction did not come to pass, or its row is gone: the token is free again.
    pub(crate) fn release(&mut self, hash: TokenHash) {
        self.known.remove(&hash);
    }

    /// The transaction has ended, and its row lies at `place`.
    pub(crate) fn finish(&mut self, hash: TokenHash, digest: u128, place: TokenPlace) {
        self.known.insert(hash, Token { digest, ended: Some(place) });
        self.ending.push_back((place.unix_us, hash));
    }

    /// Forgets tokens that have had their time.
    pub(crate) fn expire(&mut self, now_us: u64) {
        while let Some(&(unix_us, hash)) = self.ending.front() {
            if unix_us.saturating_add(TOKEN_LIFETIME_US) > now_us {
                return;
            }
            self.ending.pop_front();
            let is_this = |token: &Token| token.ended.is_some_and(|place| place.unix_us == unix_us);
            if self.known.get(&hash).is_some_and(is_this) {
                self.known.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: TokenPlace = TokenPlace { partition: PartitionId::new(3), unix_us: 1_000 };

    fn tokens() -> (Tokens, TokenHash) {
        (Tokens::within(1 << 20, 1), TokenHash::of(TokenSpace::TransactWriteItems, "once"))
    }

    #[test]
    fn a_token_runs_once_and_answers_for_ten_minutes() {
        let (mut tokens, hash) = tokens();
        assert_eq!(tokens.claim(hash, 1, 0), Claim::Granted);
        assert_eq!(tokens.claim(hash, 1, 0), Claim::Running);
        assert_eq!(tokens.claim(hash, 2, 0), Claim::Mismatch);
        tokens.finish(hash, 1, PLACE);
        let last = PLACE.unix_us + TOKEN_LIFETIME_US - 1;
        assert_eq!(tokens.claim(hash, 1, last), Claim::Ended(PLACE));
        assert_eq!(tokens.claim(hash, 2, last), Claim::Mismatch);
        assert_eq!(tokens.claim(hash, 2, last + 1), Claim::Granted);
    }

    #[test]
    fn a_transaction_that_did_not_come_to_pass_frees_its_token() {
        let (mut tokens, hash) = tokens();
        assert_eq!(tokens.claim(hash, 1, 0), Claim::Granted);
        tokens.release(hash);
        assert_eq!(tokens.claim(hash, 2, 0), Claim::Granted);
    }

    #[test]
    fn spaces_keep_their_tokens_apart() {
        let (mut tokens, hash) = tokens();
        let other = TokenHash::of(TokenSpace::ExecuteTransaction, "once");
        assert_eq!(tokens.claim(hash, 1, 0), Claim::Granted);
        assert_eq!(tokens.claim(other, 2, 0), Claim::Granted);
    }

    #[test]
    fn what_cannot_be_remembered_is_refused() {
        let mut tokens = Tokens::within(TOKEN_MEMORY_BYTES * TOKEN_MEMORY_SHARE, 1);
        let hash = |token| TokenHash::of(TokenSpace::TransactWriteItems, token);
        assert_eq!(tokens.claim(hash("a"), 1, 0), Claim::Granted);
        assert_eq!(tokens.claim(hash("b"), 1, 0), Claim::Full);
        tokens.finish(hash("a"), 1, PLACE);
        assert_eq!(tokens.claim(hash("b"), 1, PLACE.unix_us + TOKEN_LIFETIME_US), Claim::Granted);
    }
}
