//! Where backups lie: a directory, or a bucket of an object store.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use object_store::{ObjectStore as _, aws::AmazonS3, aws::AmazonS3Builder, path::Path as ObjectPath};

use crate::{
    destination::sync_names,
    failure::{Exit, Failure},
};

const BUCKET_SCHEME: &str = "s3://";
/// Whether objects are compared with what was sent is the store's part: it gets the length and a checksum in TLS.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
const REQUEST_THREADS: usize = 4;

/// A place for one backup.
pub(crate) enum Store {
    Directory(PathBuf),
    Bucket(Box<Bucket>),
}

pub(crate) struct Bucket {
    location: String,
    objects: AmazonS3,
    prefix: ObjectPath,
    /// The client is asynchronous; the tools' threads wait.
    requests: tokio::runtime::Runtime,
}

impl Store {
    /// `s3://BUCKET/PREFIX`, or a directory. Credentials, region and endpoint are AWS's environment variables.
    pub(crate) fn open(location: &str) -> Result<Self, Failure> {
        match location.strip_prefix(BUCKET_SCHEME) {
            None => Ok(Self::Directory(PathBuf::from(location))),
            Some(rest) => Bucket::open(location, rest).map(|bucket| Self::Bucket(Box::new(bucket))),
        }
    }

    /// The bytes under a name; `None` if there are none.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Directory(path) => match fs::read(path.join(name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Failure::io(path.join(name), error)),
            },
            Self::Bucket(bucket) => bucket.get(name),
        }
    }

    /// Keeps bytes under a name: durable, and whole or not at all.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Directory(path) => {
                put_file(path, name, bytes).map_err(|error| Failure::io(path.join(name), error))
            }
            Self::Bucket(bucket) => bucket.put(name, bytes),
        }
    }

    /// Names of chunks that are there.
    pub(crate) fn chunk_names(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Directory(path) => {
                list_chunks(path).map_err(|error| Failure::io(path.join("chunks"), error))
            }
            Self::Bucket(bucket) => bucket.chunk_names(),
        }
    }

    /// Makes the names of everything that was put durable. A bucket's are.
    pub(crate) fn sync_names(&self) -> Result<(), Failure> {
        match self {
            Self::Directory(path) => sync_names_below(path).map_err(|error| Failure::io(path, error)),
            Self::Bucket(_) => Ok(()),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        match self {
            Self::Directory(path) => {
                fs::remove_file(path.join(name)).map_err(|error| Failure::io(path.join(name), error))
            }
            Self::Bucket(bucket) => bucket.remove(name),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(formatter),
            Self::Bucket(bucket) => formatter.write_str(&bucket.location),
        }
    }
}

impl Bucket {
    fn open(location: &str, rest: &str) -> Result<Self, Failure> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        if let Some(endpoint) = ENDPOINT_VARIABLES.iter().find_map(|name| std::env::var(name).ok()) {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        let objects = builder.build().map_err(|error| Failure::usage(format!("{location}: {error}")))?;
        let requests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(REQUEST_THREADS)
            .enable_all()
            .build()
            .map_err(|error| Failure::io(location, error))?;
        Ok(Self { location: location.to_owned(), objects, prefix: ObjectPath::from(prefix), requests })
    }

    fn path(&self, name: &str) -> ObjectPath {
        name.split('/').fold(self.prefix.clone(), |path, part| path.child(part))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path(name);
        let got = self.requests.block_on(async { self.objects.get(&path).await?.bytes().await });
        match got {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(name, &error)),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path(name);
        let put = self.requests.block_on(self.objects.put(&path, bytes.to_vec().into()));
        put.map(|_stored| ()).map_err(|error| self.failure(name, &error))
    }

    fn chunk_names(&self) -> Result<Vec<String>, Failure> {
        use futures_util::TryStreamExt as _;
        let below = self.path("chunks");
        let listed = self.requests.block_on(self.objects.list(Some(&below)).try_collect::<Vec<_>>());
        let listed = listed.map_err(|error| self.failure("chunks", &error))?;
        let prefix = match self.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let names = listed.iter().filter_map(|object| object.location.as_ref().strip_prefix(&prefix));
        Ok(names.map(str::to_owned).collect())
    }

    fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        self.requests.block_on(self.objects.delete(&path)).map_err(|error| self.failure(name, &error))
    }

    fn failure(&self, name: &str, error: &object_store::Error) -> Failure {
        Failure::new(Exit::Unreadable, format!("{}: {name}: {error}", self.location))
    }
}

/// Written under another name, synced, renamed. The name is durable after [`Store::sync_names`].
fn put_file(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    static BUILT: AtomicU64 = AtomicU64::new(0);
    let path = directory.join(name);
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)?;
    let number = BUILT.fetch_add(1, Ordering::Relaxed);
    let built = parent.join(format!("building-{}-{number}", std::process::id()));
    let mut file = File::create(&built)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&built, &path)
}

/// Makes the names of everything in a directory durable, at any depth.
fn sync_names_below(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_names_below(&entry.path())?;
        }
    }
    sync_names(directory)
}

fn list_chunks(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let groups = match fs::read_dir(directory.join("chunks")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        groups => groups?,
    };
    for group in groups {
        let group = group?;
        for file in fs::read_dir(group.path())? {
            let (group, file) = (group.file_name(), file?.file_name());
            names.push(format!("chunks/{}/{}", group.to_string_lossy(), file.to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}
