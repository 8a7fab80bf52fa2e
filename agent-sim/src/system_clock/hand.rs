//! The harness's side of the keeper. It sets the clock right itself where the keeper was killed.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::keeper::{Ask, DONE, READY};
use super::{Kept, Machine, WallClock};

/// How long the keeper may take to do anything: it takes microseconds, and a starved host needs more.
const ANSWER: Duration = Duration::from_secs(10);

/// The program that becomes the keeper by calling [`super::keep`] when it is told `arguments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperProgram {
    /// The program.
    pub program: PathBuf,
    /// What it is told.
    pub arguments: Vec<String>,
}

/// The machine's wall clock in the harness's hand. When it is dropped, or the harness ends in whatever way, the true time
/// is set.
#[derive(Debug)]
pub struct SystemClock(Held<Machine>);

impl SystemClock {
    /// Shows that the clock may be set, and sets nothing but the true time.
    ///
    /// # Errors
    /// Why it cannot be set, in words.
    pub async fn take(program: &KeeperProgram) -> Result<Self, String> {
        Held::take(program, Machine).await.map(Self)
    }

    /// Sets it so far from the true time. If nothing is asked within `at_most`, the true time is set.
    ///
    /// # Errors
    /// When it was not set; then it is right or will be as soon as this is dropped.
    pub async fn set(&mut self, offset_seconds: i64, at_most: Duration) -> io::Result<()> {
        self.0.set(offset_seconds, at_most).await
    }

    /// Sets the true time.
    ///
    /// # Errors
    /// When neither the keeper nor the harness could: somebody has to do it by hand.
    pub async fn give_back(self) -> io::Result<()> {
        self.0.give_back().await
    }
}

#[derive(Debug)]
struct Held<C: WallClock> {
    keeper: Child,
    /// Closed when it is dropped: the keeper then sets the true time, and ends.
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Knows whether it may be wrong, and sets it right when it is dropped.
    kept: Kept<C>,
}

impl<C: WallClock> Held<C> {
    async fn take(program: &KeeperProgram, clock: C) -> Result<Self, String> {
        let kept = Kept::of(clock);
        let name = program.program.display();
        // Not killed when it is dropped, and out of reach of a ctrl-c in the terminal: it has the last word.
        let mut keeper = Command::new(&program.program)
            .args(&program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{name} cannot be run: {error}"))?;
        let (Some(asks), Some(answers), Some(mut words)) =
            (keeper.stdin.take(), keeper.stdout.take(), keeper.stderr.take())
        else {
            return Err(format!("{name} has no pipes"));
        };
        let mut held = Self { keeper, asks: Some(asks), answers: BufReader::new(answers), kept };
        match held.answer().await {
            Ok(answer) if answer == READY => Ok(held),
            told => {
                drop(held.asks.take());
                let mut reason = String::new();
                // What it did not say in time is not known.
                let _ = tokio::time::timeout(ANSWER, words.read_to_string(&mut reason)).await;
                let reason = reason.trim();
                Err(if reason.is_empty() {
                    format!("{name} does not keep the clock: {told:?}")
                } else {
                    reason.into()
                })
            }
        }
    }

    async fn set(&mut self, offset_seconds: i64, at_most: Duration) -> io::Result<()> {
        let at_most_ms = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        let line = serde_json::to_string(&Ask { offset_seconds, at_most_ms })?;
        self.kept.is_off |= offset_seconds != 0;
        let asks = self.asks.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        asks.write_all(format!("{line}\n").as_bytes()).await?;
        if self.answer().await? != DONE {
            return Err(io::Error::other("the keeper of the machine's clock has ended"));
        }
        self.kept.is_off = offset_seconds != 0;
        Ok(())
    }

    async fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        tokio::time::timeout(ANSWER, self.answers.read_line(&mut line))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(line.trim().to_owned())
    }

    async fn give_back(mut self) -> io::Result<()> {
        drop(self.asks.take());
        match tokio::time::timeout(ANSWER, self.keeper.wait()).await {
            Ok(Ok(status)) if status.success() => {
                self.kept.is_off = false;
                Ok(())
            }
            _ => self.kept.set(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    /// A keeper that sets nothing.
    fn shell(script: &str) -> KeeperProgram {
        KeeperProgram { program: "sh".into(), arguments: vec!["-c".to_owned(), script.to_owned()] }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_keeper_that_does_its_work_leaves_nothing_to_the_harness() {
        let clock = Fake::right();
        let keeper = shell("echo ready; while read ask; do echo done; done");
        let mut held = Held::take(&keeper, clock.clone()).await.unwrap();
        held.set(3_600, LONG).await.unwrap();
        held.set(0, LONG).await.unwrap();
        held.set(-3_600, LONG).await.unwrap();
        held.give_back().await.unwrap();
        assert_eq!(clock.offsets_seconds(), [0; 0]);
    }

    #[tokio::test]
    async fn where_the_keeper_is_killed_the_harness_sets_the_true_time() {
        let killed = shell("echo ready; read ask; echo done; kill -9 $$");
        for is_given_back in [true, false] {
            let clock = Fake::right();
            let mut held = Held::take(&killed, clock.clone()).await.unwrap();
            held.set(3_600, LONG).await.unwrap();
            if is_given_back {
                held.give_back().await.unwrap();
            } else {
                assert!(held.set(-3_600, LONG).await.is_err());
                drop(held);
            }
            assert_eq!(clock.offsets_seconds(), [0], "given back: {is_given_back}");
        }
    }

    #[tokio::test]
    async fn what_a_keeper_says_against_it_is_passed_on() {
        let refusing = shell("echo 'it takes more than that' >&2; exit 125");
        let told = Held::take(&refusing, Fake::right()).await.unwrap_err();
        assert_eq!(told, "it takes more than that");
        let silent = Held::take(&shell("exit 0"), Fake::right()).await.unwrap_err();
        assert!(silent.contains("does not keep the clock"), "{silent}");
    }
}
