//! A checker that cannot fail proves nothing: each of these mistakes must be found by the crash rounds.

use basalt_runtime::sim::{
    FaultPlan,
    planted::{PlantedBug, plant},
};

use crate::crash_rounds::{failing_syncs, first_failure};

/// Directories that go through crashes before a mistake counts as missed.
const SEEDS_MAX: u64 = 400;
const ROUNDS: u32 = 12;

fn assert_found(bug: PlantedBug) {
    assert_found_with(bug, &FaultPlan::none());
}

fn assert_found_with(bug: PlantedBug, faults: &FaultPlan) {
    let _planted = plant(bug);
    let found = first_failure(0..SEEDS_MAX, ROUNDS, faults);
    assert!(found.is_some(), "{bug:?} was not found in {SEEDS_MAX} directories");
}

#[test]
fn a_log_that_is_never_synced_is_found() {
    assert_found(PlantedBug::SkipLogSync);
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    assert_found(PlantedBug::AcknowledgeBeforeLogSync);
}

#[test]
fn a_believed_torn_frame_is_found() {
    assert_found(PlantedBug::BelieveTornFrame);
}

#[test]
fn a_forgotten_cut_is_found() {
    assert_found(PlantedBug::ForgetCut);
}

#[test]
fn a_segment_recycled_too_early_is_found() {
    assert_found(PlantedBug::RecycleSegmentEarly);
}

#[test]
fn a_segment_used_before_its_name_is_durable_is_found() {
    assert_found(PlantedBug::SkipDirectorySync);
}

#[test]
fn frames_of_a_files_earlier_life_believed_are_found() {
    assert_found(PlantedBug::IgnoreFrameChain);
}

#[test]
fn a_failed_sync_that_is_tried_again_is_found() {
    assert_found_with(PlantedBug::RetryFailedSync, &failing_syncs());
}
