//! Files against a model: random plans of writes, cuts, holes and reads give on every backend what they give on a
//! vector of bytes. Every read is compared, and the whole file at the end.

use std::ops::Range;

use crate::support::{every_backend, on_backend, prepare};
use basalt_runtime::{AlignedBuffer, DirectMode, File, OpenOptions};
use proptest::prelude::*;

const FILE_BYTES_MAX: u64 = 65_536;
const BLOCK: u64 = 4096;

#[derive(Clone, Debug)]
enum Step {
    Write { offset: u64, byte: u8, length: usize, synced: bool },
    Read { offset: u64, length: usize },
    Truncate { length: u64 },
    Allocate { offset: u64, length: u64 },
    PunchHole { offset: u64, length: u64 },
}

/// Steps whose offsets and lengths are multiples of `unit`.
fn step(unit: u64) -> impl Strategy<Value = Step> {
    let places = FILE_BYTES_MAX / unit;
    let offset = (0..places).prop_map(move |place| place * unit);
    let length = (1..=places / 2).prop_map(move |place| place * unit);
    prop_oneof![
        4 => (offset.clone(), any::<u8>(), length.clone(), any::<bool>()).prop_map(|(offset, byte, length, synced)| {
            Step::Write { offset, byte, length: length as usize, synced }
        }),
        3 => (offset.clone(), length.clone())
            .prop_map(|(offset, length)| Step::Read { offset, length: length as usize }),
        1 => offset.clone().prop_map(|length| Step::Truncate { length }),
        1 => (offset.clone(), length.clone()).prop_map(|(offset, length)| Step::Allocate { offset, length }),
        1 => (offset, length).prop_map(|(offset, length)| Step::PunchHole { offset, length }),
    ]
}

/// What a file should be.
#[derive(Default)]
struct Model(Vec<u8>);

impl Model {
    fn extend_to(&mut self, length: u64) {
        self.0.resize(self.0.len().max(length as usize), 0);
    }

    fn within(&self, offset: u64, length: u64) -> Range<usize> {
        let end = self.0.len().min((offset + length) as usize);
        (offset as usize).min(end)..end
    }
}

async fn run(step: Step, file: &File, model: &mut Model) {
    match step {
        Step::Write { offset, byte, length, synced } => {
            let buffer = AlignedBuffer::from_slice(&vec![byte; length]);
            let written = if synced {
                file.write_and_sync_at(buffer, offset).await.0
            } else {
                file.write_at(buffer, offset).await.0
            };
            written.unwrap();
            model.extend_to(offset + length as u64);
            model.0[offset as usize..offset as usize + length].fill(byte);
        }
        Step::Read { offset, length } => compare(file, model, offset, length).await,
        Step::Truncate { length } => {
            file.truncate(length).await.unwrap();
            model.0.resize(length as usize, 0);
        }
        Step::Allocate { offset, length } => {
            file.allocate(offset, length).await.unwrap();
            model.extend_to(offset + length);
        }
        Step::PunchHole { offset, length } => {
            file.punch_hole(offset, length).await.unwrap();
            let hole = model.within(offset, length);
            model.0[hole].fill(0);
        }
    }
}

async fn compare(file: &File, model: &Model, offset: u64, length: usize) {
    let expected = &model.0[model.within(offset, length as u64)];
    let (read, buffer) = file.read_at(AlignedBuffer::zeroed(length), offset).await;
    assert_eq!(read.unwrap(), expected.len());
    assert!(buffer[..expected.len()] == *expected, "{length} bytes at {offset} differ");
}

fn check(steps: &[Step], options: OpenOptions) {
    for backend in every_backend() {
        let steps = steps.to_vec();
        on_backend(backend, move |bench| {
            let steps = steps.clone();
            async move {
                let directory = prepare(&bench).await;
                let file = bench.handle.open_file(&directory.join("file"), options).await.unwrap();
                let mut model = Model::default();
                for step in steps {
                    run(step, &file, &mut model).await;
                }
                assert_eq!(file.size_bytes().await.unwrap(), model.0.len() as u64, "on {}", bench.backend);
                compare(&file, &model, 0, 2 * FILE_BYTES_MAX as usize).await;
            }
        });
    }
}

fn new_file() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create_new(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn buffered_files_are_vectors_of_bytes(steps in prop::collection::vec(step(1), 1..30)) {
        check(&steps, new_file());
    }

    #[test]
    fn direct_files_are_vectors_of_blocks(steps in prop::collection::vec(step(BLOCK), 1..30)) {
        check(&steps, new_file().direct(DirectMode::Direct));
    }
}
