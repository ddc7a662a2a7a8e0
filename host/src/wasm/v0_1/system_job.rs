//! The host's side of the interface `system-job`.

use std::future::Future;

use super::bindings::stagegate::plugin::system_job;
use super::interfaces::Answer;
use crate::model::DateTime;
use crate::model::error::Result;
use crate::model::job::Progress;
use crate::pipeline::execution::Execution;
use crate::pipeline::runner::BoxFuture;
use crate::wasm::run::State;

impl system_job::Host for State {
    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.active()?.execution.attempt())
    }

    fn checkpoint(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.active()?.execution.checkpoint())
    }

    fn save_checkpoint(&mut self, data: Vec<u8>) -> impl Future<Output = Answer<()>> + Send {
        self.tell_job("system-job.save-checkpoint", |execution| execution.save_checkpoint(data))
    }

    fn report_progress(
        &mut self,
        percent: Option<u8>,
        note: String,
    ) -> impl Future<Output = Answer<()>> + Send {
        self.tell_job("system-job.report-progress", move |execution| {
            execution.report_progress(Progress { percent, note })
        })
    }

    fn postpone_until(&mut self, moment: i64) -> Answer<()> {
        let postponed = self.active()?.execution.postpone_until(DateTime(moment));
        Ok(postponed.map_err(|error| self.refuse(error)))
    }
}

impl State {
    async fn tell_job(
        &mut self,
        name: &'static str,
        begin: impl FnOnce(&Execution) -> Result<BoxFuture<'static, Result<()>>> + Send,
    ) -> Answer<()> {
        match begin(&self.active()?.execution) {
            Ok(call) => self.wait(name, call).await,
            Err(error) => Ok(Err(self.refuse(error))),
        }
    }
}
