//! What a statement must know of its table before it can be planned: the keys of the table and of its indexes, and
//! what the indexes hold.

use std::sync::Arc;

use basalt_format::key_encoding::KeyHasher;
use basalt_model::{IndexKeySchema, KeySchema, partiql::IndexScope};

use crate::{
    catalog::{IndexProjection, Table},
    error::Error,
    shard::LocalEngine,
};

/// Separates what is hashed for tokens from everything else that is hashed under a table's secret.
const TOKEN_DOMAIN: [&[u8]; 2] = [b"page token, first half", b"page token, second half"];

/// The keys of a table and of its indexes, as they were when it was looked up.
#[derive(Debug, Clone)]
pub struct TableKeys(Arc<Table>);

/// The key of an index, and what the index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeys {
    /// What its entries are found by.
    pub schema: IndexKeySchema,
    /// Whether its entries lie beside the items or apart from them.
    pub scope: IndexScope,
    /// The attributes that it holds, keys included; `None`: all.
    pub projected: Option<Vec<String>>,
}

impl TableKeys {
    /// The table's key.
    pub fn schema(&self) -> &KeySchema {
        self.0.schema()
    }

    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<IndexKeys> {
        if let Some(index) = self.0.local_index(name) {
            return Some(self.keys_of(index.keys.schema(), IndexScope::Local, &index.projection));
        }
        let index = self.0.global_index(name)?;
        Some(self.keys_of(index.keys.schema(), IndexScope::Global, &index.projection))
    }

    /// Authenticates what a client is given to bring back: nobody who does not know the table can make it.
    pub fn authenticate(&self, message: &[u8]) -> u64 {
        // A secret of its own: hashes of partition keys stay unknown to whoever collects tokens.
        let mut secret = [0; 16];
        let hasher = KeyHasher::new(&self.0.hash_secret);
        for (half, domain) in secret.chunks_exact_mut(8).zip(TOKEN_DOMAIN) {
            half.copy_from_slice(&hasher.hash(domain).to_le_bytes());
        }
        KeyHasher::new(&secret).hash(message)
    }

    fn keys_of(&self, schema: &IndexKeySchema, scope: IndexScope, projection: &IndexProjection) -> IndexKeys {
        let included = match projection {
            IndexProjection::All => None,
            IndexProjection::KeysOnly => Some(&[][..]),
            IndexProjection::Include(names) => Some(names.as_slice()),
        };
        let projected = included.map(|included| {
            let keys = schema.attributes().chain(self.schema().attributes());
            keys.map(|attribute| attribute.name.clone()).chain(included.iter().cloned()).collect()
        });
        IndexKeys { schema: schema.clone(), scope, projected }
    }
}

impl LocalEngine {
    /// The keys of a table and of its indexes.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn table_keys(&self, table_name: &str) -> Result<TableKeys, Error> {
        Ok(TableKeys(Arc::clone(self.request_catalog().expect(table_name)?)))
    }
}
