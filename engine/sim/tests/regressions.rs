//! Jobs that once failed. Each is named by what it found; seeds follow the workload, so a change of the workload may
//! make one of them harmless: the smaller tests beside the code that was wrong stay sharp.

use basalt_sim::rung::Rung;

fn passes(rung: Rung, job: u64) {
    assert_eq!(rung.run(job, None).violation, None, "{rung} job {job}");
}

#[test]
fn a_checkpoint_that_cannot_be_made_does_not_keep_its_shard_busy() {
    [24, 111].into_iter().for_each(|seed| passes(Rung::Crashes, seed));
}

#[test]
fn a_stream_written_again_after_it_was_given_up_is_not_taken_for_damaged() {
    passes(Rung::Faults, 498);
}

#[test]
fn a_page_lost_by_a_failed_sync_is_not_named_by_a_superblock() {
    passes(Rung::Faults, 807);
}

#[test]
fn a_short_write_past_the_cache_is_durable_as_far_as_it_went() {
    [1532, 3108].into_iter().for_each(|seed| passes(Rung::Crashes, seed));
}

#[test]
fn a_write_whose_table_is_dropped_under_it_is_told_so() {
    passes(Rung::Engine, 55);
}

#[test]
fn a_start_settles_transactions_although_its_log_is_full() {
    [9, 29, 79].into_iter().for_each(|seed| passes(Rung::Engine, seed));
}
