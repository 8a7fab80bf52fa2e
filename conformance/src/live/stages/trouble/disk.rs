//! The full disk: the registry is started on a small one of its own, in memory and a namespace of mounts, with what it
//! had; that is filled, emptied and carried back.

use std::sync::Arc;

use agent_sim::process::LaunchSpec;
use agent_sim::room::{SmallDisk, can_have_disk, disk_size, on_small_disk};
use reports::history::{Hardship, Line};

use super::super::super::RunError;
use super::{Load, Stages, Tried};

/// Stands for the registry's folder in its command.
const FOLDER: &str = "{dir}";

impl Stages {
    /// Moves it, loads, fills, makes room, waits until it recovers, kills, moves it back, looks.
    pub(super) async fn full_disk(&mut self) -> Result<Tried, RunError> {
        let (own, small) = match self.small_disk_spec().await {
            Ok(specs) => specs,
            Err(reason) => return Ok(Err(reason)),
        };
        self.say("its disk full under load".to_owned());
        let disk = match self.move_to(small).await {
            Ok(disk) => disk,
            Err(reason) => {
                self.end_if_running().await;
                self.start_as(own).await?;
                return Ok(Err(reason));
            }
        };
        let mut load = self.load().await;
        let filled = self.fill(&disk, &mut load).await;
        if filled.is_ok() {
            self.until_it_recovers().await;
        }
        self.end_if_running().await;
        let actors = load.end().await;
        self.carry_back(disk).await?;
        self.start_as(own).await?;
        self.look_briefly(&actors).await;
        self.part(actors).await;
        Ok(filled)
    }

    /// How it is started now, and how on a small disk; or why it cannot be.
    async fn small_disk_spec(&self) -> Result<(LaunchSpec, LaunchSpec), String> {
        let process = self.target.process.as_ref().ok_or("the registry is only reached, not started here")?;
        let own = process.spec().clone();
        let mut words = own.arguments.iter().chain(own.environment.values());
        if !words.any(|word| word.contains(FOLDER)) {
            return Err(format!(
                "its command does not say {FOLDER}, so where it stores is not known to the harness"
            ));
        }
        let room = self.room.as_ref().ok_or("the harness was not given a way into a namespace")?;
        can_have_disk(room).await?;
        let bytes = disk_size(process.folder())?;
        let small = on_small_disk(&own, room, bytes);
        Ok((own, small))
    }

    /// Ends it in order, so that its files are whole, and starts it with them on a small disk.
    async fn move_to(&mut self, small: LaunchSpec) -> Result<Arc<SmallDisk>, String> {
        let Some(process) = &mut self.target.process else { return Err(String::new()) };
        let event = process.terminate().await;
        self.recorder.write(&Line::Process(event));
        let started = process.restart_as(small).await;
        let event =
            started.map_err(|error| format!("on a small disk of its own it does not start: {error}"))?;
        self.recorder.write(&Line::Process(event));
        let disk = SmallDisk::of(process);
        disk.map(Arc::new).map_err(|error| format!("its small disk cannot be reached: {error}"))
    }

    async fn fill(&mut self, disk: &Arc<SmallDisk>, load: &mut Load) -> Tried {
        if !self.goes_on() {
            return Err("the run ended before its disk was full".to_owned());
        }
        let clock = self.recorder.clock;
        let words = |error: std::io::Error| format!("its small disk could not be filled: {error}");
        let s_us = clock.now_us();
        // Writing to memory takes a while, and nothing else may wait for it.
        let bytes = off_the_runtime(Arc::clone(disk), SmallDisk::fill).await.map_err(words)?;
        let e_us = clock.now_us();
        let folder = self.target.process.as_ref().map(|process| process.folder().display().to_string());
        let folder = folder.unwrap_or_default();
        self.recorder.write(&Line::Hardship(Hardship::DiskFilled { folder, bytes, s_us, e_us }));
        let mut kept = Ok(());
        self.endure(load, || {
            // What it gives up itself, such as an old log, is room for nobody.
            if let Err(error) = disk.fill() {
                kept = Err(error);
            }
        })
        .await;
        let s_us = clock.now_us();
        let freed = off_the_runtime(Arc::clone(disk), SmallDisk::make_room).await;
        self.recorder.write(&Line::Hardship(Hardship::DiskFreed { s_us, e_us: clock.now_us() }));
        kept.and(freed).map_err(words)
    }

    async fn carry_back(&self, disk: Arc<SmallDisk>) -> Result<(), RunError> {
        let Some(process) = &self.target.process else { return Ok(()) };
        let path = process.folder().to_owned();
        let folder = path.clone();
        let copied = off_the_runtime(disk, move |disk| disk.copy_out(&folder)).await;
        copied.map_err(|source| RunError::Store { path, source })
    }

    async fn end_if_running(&mut self) {
        if !self.has_ended() {
            self.kill().await;
        }
    }

    async fn start_as(&mut self, spec: LaunchSpec) -> Result<(), RunError> {
        if let Some(process) = &mut self.target.process {
            let event = process.restart_as(spec).await.map_err(RunError::Restart)?;
            self.recorder.write(&Line::Process(event));
        }
        Ok(())
    }
}

/// Memory is given back there as well, where this is the last that has the disk.
async fn off_the_runtime<T: Send + 'static>(
    disk: Arc<SmallDisk>,
    work: impl FnOnce(&SmallDisk) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(move || work(&disk)).await.map_err(std::io::Error::other)?
}
