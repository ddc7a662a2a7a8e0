//! A row: an attack as data.

use std::fs;
use std::path::{Path, PathBuf};

use stagegate::ErrorKind;

use super::compiling::Within;
use super::component;
use super::sites::Outside;
use crate::GUEST_HOSTILE;

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// Its name, and that of its step or file.
    pub name: &'static str,
    /// What it tries.
    pub tries: &'static str,
    /// Who tries it.
    pub guest: Guest,
    /// What must come of it.
    pub must: Must,
    /// Steps of the same plugin on Create of `inner`, where the attack is in what a nested request runs.
    pub nested: &'static [&'static str],
    /// Asynchronous steps of the same plugin on Create of `inner`: jobs that the attack queues.
    pub queues: &'static [&'static str],
    /// Whether its own step is an asynchronous one, and so is run as a job.
    pub as_job: bool,
    /// A step that is run before, in a request of its own.
    pub before: Option<&'static str>,
    /// What it may call, and what it must not, where it attacks by HTTP.
    pub outside: Option<&'static Outside>,
    /// The limits of the compiler, where they are not the usual ones.
    pub within: Option<Within>,
}

/// What a hostile plugin is made of.
#[derive(Clone, Copy)]
pub enum Guest {
    /// The step of the attack's name in the crate `tests/guests/hostile`.
    Step,
    /// The core module of the attack's name in `tests/guests/hostile/wat`.
    Wat,
    /// The same, with items added to its world: interfaces that it exports or imports beside the contract.
    Wider(&'static str),
    /// A component that is no plugin, or a strange one.
    Made(fn() -> Vec<u8>),
}

/// What must come of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// The component is not loaded: the message says this.
    BeRefused(&'static str),
    /// It is stopped when the request's time is over.
    BeStopped,
    /// The request fails at once, with this kind of error.
    Fail(ErrorKind),
    /// The request succeeds: what the guest tried was denied to it, or did nothing.
    HaveNoEffect,
    /// Its job waits for a moment that is not now.
    Wait,
}

impl Attack {
    /// A step of the crate.
    pub(super) const fn step(name: &'static str, tries: &'static str, must: Must) -> Self {
        Self {
            name,
            tries,
            guest: Guest::Step,
            must,
            nested: &[],
            queues: &[],
            as_job: false,
            before: None,
            outside: None,
            within: None,
        }
    }

    /// A core module.
    pub(super) const fn wat(name: &'static str, tries: &'static str, must: Must) -> Self {
        Self { guest: Guest::Wat, ..Self::step(name, tries, must) }
    }

    /// A component that is made.
    pub(super) const fn made(
        name: &'static str,
        tries: &'static str,
        make: fn() -> Vec<u8>,
        must: Must,
    ) -> Self {
        Self { guest: Guest::Made(make), ..Self::step(name, tries, must) }
    }

    /// With items in its world beside the contract.
    pub(super) const fn wider(self, items: &'static str) -> Self {
        Self { guest: Guest::Wider(items), ..self }
    }

    /// With steps on Create of `inner`.
    pub(super) const fn nested(self, steps: &'static [&'static str]) -> Self {
        Self { nested: steps, ..self }
    }

    /// With asynchronous steps on Create of `inner`.
    pub(super) const fn queues(self, steps: &'static [&'static str]) -> Self {
        Self { queues: steps, ..self }
    }

    /// As a background step.
    pub(super) const fn as_job(self) -> Self {
        Self { as_job: true, ..self }
    }

    /// After a request that runs another step.
    pub(super) const fn after(self, step: &'static str) -> Self {
        Self { before: Some(step), ..self }
    }

    /// With servers outside.
    pub(super) const fn outside(self, outside: &'static Outside) -> Self {
        Self { outside: Some(outside), ..self }
    }

    /// Loaded by a compiler with such a limit.
    pub(super) const fn within(self, within: Within) -> Self {
        Self { within: Some(within), ..self }
    }

    /// The step of the plugin that is run.
    #[must_use]
    pub fn step_name(&self) -> &'static str {
        if self.nested.is_empty() { self.name } else { "nest" }
    }

    /// Makes the component, in `folder` if it is not there already.
    #[must_use]
    pub fn component(&self, folder: &Path) -> PathBuf {
        match self.guest {
            Guest::Step => PathBuf::from(GUEST_HOSTILE),
            Guest::Wat => write(folder, self.name, &component::of(self.name, "")),
            Guest::Wider(items) => write(folder, self.name, &component::of(self.name, items)),
            Guest::Made(make) => write(folder, self.name, &make()),
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name).with_extension("wasm");
    fs::write(&path, bytes).expect("a file for the component");
    path
}
