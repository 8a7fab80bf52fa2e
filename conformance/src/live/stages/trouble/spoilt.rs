//! DURABLE-6: the store is torn, or another's.

use std::path::Path;

use agent_sim::process::{LaunchError, RegistryProcess};
use reports::history::{Hardship, Line, SpoiltStore};
use sha2::{Digest as _, Sha256};

use super::super::super::RunError;
use super::super::super::actor::Actor;
use super::Stages;
use crate::catalogue::Check;

impl Stages {
    /// Stops it in order, spoils its store, sees whether it starts, puts the store back, starts it again.
    pub(in crate::live::stages) async fn spoilt(&mut self) -> Result<(), RunError> {
        let store = match self.store() {
            Ok(store) => store,
            Err(reason) => {
                self.leave_out(Check::Durable6, reason);
                return Ok(());
            }
        };
        self.say("its store torn, and another's in its place".to_owned());
        // What fills the file is there, not gone and its room free.
        let mut actors: Vec<Actor> =
            (0..40).map(|_| self.actor("stored", "default").reading(false, 0).wordy()).collect();
        for actor in &mut actors {
            let now_us = self.recorder.clock.now_us();
            actor.register_at(now_us).await;
        }
        if let Some(process) = &mut self.target.process {
            let event = process.terminate().await;
            self.recorder.write(&Line::Process(event));
            let spoilt = try_spoilt(process, &store, self.recorder.clock).await;
            let looks = spoilt.map_err(|source| RunError::Store { path: store.clone(), source })?;
            for look in looks {
                self.recorder.write(&Line::Hardship(Hardship::SpoiltStore(look)));
            }
        }
        self.start_again().await?;
        self.look_briefly(&actors).await;
        self.part(actors).await;
        Ok(())
    }
}

/// One start on a torn store, one on another program's; the true one is put back in between and behind it.
async fn try_spoilt(
    process: &mut RegistryProcess,
    store: &Path,
    clock: agent_sim::clock::Clock,
) -> std::io::Result<Vec<SpoiltStore>> {
    let whole = std::fs::read(store)?;
    let mut torn = whole.clone();
    // All but the head, since any lesser part of a store may be free room, whose content is nobody's.
    let head = (torn.len() / 2).min(4_096);
    torn[head..].fill(0xa5);
    let log = std::path::PathBuf::from(format!("{}-wal", store.display()));
    if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        // It did not end in order: what is torn here may stand in its log, so that nothing would be decided.
        return Ok(Vec::new());
    }
    let mut looks = Vec::new();
    for (kind, content) in [("torn", torn), ("foreign", b"A diary, and no store of a registry.\n".to_vec())] {
        std::fs::write(store, &content)?;
        let s_us = clock.now_us();
        let started = process.restart().await;
        let e_us = clock.now_us();
        let (ready, exit_code, output) = match started {
            Ok(_) => (true, None, process.last_output()),
            Err(LaunchError::Ended { code, output, .. }) => (false, code, output),
            // It neither refused nor served: that decides nothing.
            Err(_) => (false, None, String::new()),
        };
        let decided = ready || !output.is_empty() || exit_code.is_some();
        if ready {
            process.kill().await;
        }
        let after = std::fs::read(store).unwrap_or_default();
        if decided {
            looks.push(SpoiltStore {
                kind: kind.to_owned(),
                file: store.display().to_string(),
                s_us,
                e_us,
                ready,
                exit_code,
                output,
                before: hash(&content),
                after: hash(&after),
            });
        }
    }
    std::fs::write(store, &whole)?;
    Ok(looks)
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
