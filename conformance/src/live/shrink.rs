//! A failure is shown by the smallest schedule that still shows it: variants of the agent's schedule run side by side
//! against the same registry, the smallest that fails is kept, and its own variants follow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reports::history::{Line, RunEnd};
use reports::result::{RequirementReport, RequirementVerdict};

use super::recorder::{self, Recorder};
use super::rounds::{TRIALS, Trial};
use super::stages::Stages;
use super::{RunError, RunOptions};
use crate::catalogue::{Check, REQUIREMENTS};
use crate::generate::Schedule;
use crate::judge::Judgement;

/// The most rounds.
const ROUNDS: usize = 6;

/// All rounds together take so long at the most; a schedule that would take longer is not tried.
const BUDGET_US: u64 = 30_000_000;

/// What the calls of one agent can prove broken.
const OF_ONE_AGENT: &[Check] = &[
    Check::Time1,
    Check::Time2,
    Check::Time3,
    Check::Time4,
    Check::Time5,
    Check::Time7,
    Check::Race2,
    Check::View2,
    Check::View3,
];

/// A failure that a smaller schedule shows as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The requirement.
    pub id: String,
    /// What shows it.
    pub schedule: Schedule,
    /// The schedule by which it was found.
    pub found_by: Schedule,
    /// What was said of it then.
    pub found: RequirementReport,
    /// The history with the calls of the smaller schedule.
    pub history: PathBuf,
}

/// A failure at work.
struct Job {
    check: Check,
    row: usize,
    found_by: Schedule,
    least: Option<(Schedule, RequirementReport)>,
    goes_on: bool,
}

impl Job {
    fn trials(&self, most: usize) -> Vec<Trial> {
        let present = self.least.as_ref().map_or(&self.found_by, |(schedule, _)| schedule);
        // That it fails again at all is to be seen first.
        let again = self.least.is_none().then(|| present.clone());
        let trial = |schedule| Trial { check: self.check, schedule };
        again.into_iter().chain(present.smaller(most.saturating_sub(1))).map(trial).collect()
    }

    /// Keeps the smallest that failed.
    fn take(&mut self, tried: Vec<(Trial, Option<RequirementReport>)>) {
        let failed = tried.into_iter().filter_map(|(trial, row)| Some((trial.schedule, row?)));
        let least = failed.min_by_key(|(schedule, _)| schedule.weight());
        self.goes_on = least.is_some();
        self.least = least.or(self.least.take());
    }
}

impl Stages {
    /// Shrinks what failed, and puts the smaller story into the judgement.
    ///
    /// # Errors
    /// When the history of the rounds cannot be written or read.
    pub(super) async fn shrink(
        &mut self,
        judgement: &mut Judgement,
        options: &RunOptions,
    ) -> Result<Vec<Shrunk>, RunError> {
        let mut jobs = self.jobs(judgement);
        if jobs.is_empty() || !self.goes_on() {
            return Ok(Vec::new());
        }
        let path = options.history.with_file_name("shrunk.jsonl");
        let cannot = |source| RunError::History { path: path.clone(), source };
        let clock = self.recorder.clock;
        let recorder = Recorder::open(&path, self.target.client.clone(), clock, options.interrupt.clone());
        let recorder = Arc::new(recorder.map_err(cannot)?);
        recorder.write(&Line::Run(self.header.clone()));
        let floor = tokio::spawn(recorder::timer_floor(Arc::clone(&recorder)));
        let until_us = clock.now_us() + BUDGET_US;
        let mut ended = Ok(());
        for _ in 0..ROUNDS {
            ended = self.shrink_once(&mut jobs, (&recorder, &path), until_us).await;
            if ended.is_err() || !jobs.iter().any(|job| job.goes_on) || !self.goes_on() {
                break;
            }
        }
        floor.abort();
        recorder.write(&Line::End(RunEnd {
            at_us: clock.now_us(),
            slack_us: recorder.slack_us(),
            lost_lines: recorder.lost_lines(),
            tripwire: true,
        }));
        recorder.close().map_err(cannot)?;
        ended?;
        Ok(jobs.into_iter().filter_map(|job| settled(job, judgement, &path)).collect())
    }

    fn jobs(&self, judgement: &Judgement) -> Vec<Job> {
        let cast = self.cast();
        let job = |(number, row): (usize, &RequirementReport)| {
            let check = REQUIREMENTS.iter().find(|known| known.id == row.id)?.check;
            let fails = row.verdict == RequirementVerdict::Fail && OF_ONE_AGENT.contains(&check);
            let agent = row.proof.as_ref().filter(|_| fails)?.agent.as_ref()?;
            let found_by = cast.get(agent)?.clone();
            Some(Job { check, row: number, found_by, least: None, goes_on: true })
        };
        judgement.requirements.iter().enumerate().filter_map(job).collect()
    }

    async fn shrink_once(
        &self,
        jobs: &mut [Job],
        to: (&Arc<Recorder>, &Path),
        until_us: u64,
    ) -> Result<(), RunError> {
        let left_us = until_us.saturating_sub(self.recorder.clock.now_us());
        let at_work = jobs.iter().filter(|job| job.goes_on).count();
        let most = TRIALS / at_work.max(1);
        let mut trials = Vec::new();
        let mut of_job = Vec::new();
        for (number, job) in jobs.iter().enumerate().filter(|(_, job)| job.goes_on) {
            let fits = job.trials(most).into_iter().filter(|trial| self.trial_us(trial) <= left_us);
            for trial in fits {
                trials.push(trial);
                of_job.push(number);
            }
        }
        if trials.is_empty() {
            jobs.iter_mut().for_each(|job| job.goes_on = false);
            return Ok(());
        }
        self.say(format!("shrinking {at_work} failures: {} schedules side by side", trials.len()));
        let proven = self.round("shrunk", &trials, to).await?;
        let mut tried: Vec<Vec<_>> = jobs.iter().map(|_| Vec::new()).collect();
        for ((trial, row), job) in trials.into_iter().zip(proven).zip(of_job) {
            tried[job].push((trial, row));
        }
        for (job, tried) in jobs.iter_mut().zip(tried).filter(|(job, _)| job.goes_on) {
            job.take(tried);
        }
        Ok(())
    }
}

/// Puts the smaller story in the place of the one that was found.
fn settled(job: Job, judgement: &mut Judgement, history: &Path) -> Option<Shrunk> {
    let (schedule, proof) = job.least?;
    let row = judgement.requirements.get_mut(job.row)?;
    let found = row.clone();
    row.detail = format!(
        "{} Shrunk from {} calls to {}: {}. Found first: {}",
        proof.detail,
        job.found_by.calls(),
        schedule.calls(),
        schedule.words(),
        found.detail
    );
    row.timeline = proof.timeline;
    row.proof = proof.proof;
    let history = history.to_owned();
    Some(Shrunk { id: found.id.clone(), schedule, found_by: job.found_by, found, history })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Act, Gap, Step, Unit};

    fn schedule(steps: usize) -> Schedule {
        let gap = Gap { unit: Unit::DegradedAfter, permille: 500 };
        Schedule { agent_type: "default".to_owned(), steps: vec![Step { gap, act: Act::Renew }; steps] }
    }

    fn row() -> RequirementReport {
        RequirementReport {
            id: "TIME-2".to_owned(),
            level: "MUST".to_owned(),
            text: String::new(),
            verdict: RequirementVerdict::Fail,
            decided: 9,
            samples: 9,
            broken: 3,
            detail: "found.".to_owned(),
            timeline: Vec::new(),
            rerun: String::new(),
            proof: None,
        }
    }

    fn job(found_by: Schedule) -> Job {
        Job { check: Check::Time2, row: 0, found_by, least: None, goes_on: true }
    }

    #[test]
    fn the_smallest_that_fails_is_kept_and_what_is_undecided_is_no_failure() {
        let mut job = job(schedule(4));
        assert_eq!(job.trials(9)[0].schedule, schedule(4), "the one that was found is run again");
        let fails = |trial: &Trial| (2..4).contains(&trial.schedule.steps.len());
        let mut rounds = 0;
        while job.goes_on {
            let trials = job.trials(9);
            job.take(trials.into_iter().map(|trial| (trial.clone(), fails(&trial).then(row))).collect());
            rounds += 1;
        }
        assert_eq!(job.least.as_ref().unwrap().0, schedule(2));
        assert_eq!(rounds, 2, "nothing smaller than the smallest fails");
    }

    #[test]
    fn the_failure_that_is_shown_is_the_smaller_one_and_the_other_is_kept() {
        let mut judgement = Judgement { requirements: vec![row()], ..Judgement::default() };
        let mut done = job(schedule(4));
        done.least = Some((schedule(0), RequirementReport { detail: "proven.".to_owned(), ..row() }));
        let shrunk = settled(done, &mut judgement, Path::new("shrunk.jsonl")).unwrap();
        assert_eq!((shrunk.found_by, shrunk.found), (schedule(4), row()));
        let told = &judgement.requirements[0].detail;
        assert_eq!(
            told,
            "proven. Shrunk from 5 calls to 1: register, then nothing more. Found first: found."
        );
        assert_eq!(settled(job(schedule(1)), &mut judgement, Path::new("x")), None);
    }
}
