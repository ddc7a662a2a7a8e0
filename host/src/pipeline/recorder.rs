//! Records what happens, for the trace of a request. Only requests that are traced have one.
//!
//! The record is shared and grows while the request runs, so that it survives a future that is dropped: a timeout
//! leaves the steps that it stopped in the trace.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::request::parameter;
use crate::model::trace::{Event, StepRun, Trace};
use crate::model::{Attributes, Change, Error, Parameter, Value};
use crate::pipeline::context::Context;
use crate::pipeline::registry::Step;

/// The place in a trace at which the current piece of work writes.
#[derive(Clone)]
pub struct Record {
    recorder: Arc<Recorder>,
    /// None at the beginning, where the root request is written.
    node: Option<usize>,
}

#[derive(Default)]
struct Recorder {
    nodes: Mutex<Vec<Node>>,
}

struct Node {
    kind: Kind,
    started: Instant,
    children: Vec<usize>,
}

enum Kind {
    Request(Trace),
    Step(StepRun),
    Event(Event),
}

/// What a run of a step is known for at its end.
pub(crate) struct StepEnd {
    pub(crate) host_calls: Duration,
    pub(crate) memory_bytes: u64,
    pub(crate) changes: Vec<Change>,
    pub(crate) lines: Vec<String>,
    pub(crate) error: Option<Error>,
}

impl Record {
    /// A record with nothing in it yet: the first request is its root.
    pub(crate) fn new() -> Self {
        Self { recorder: Arc::default(), node: None }
    }

    /// Starts a request below this place: one that a step issues, or that another message runs as.
    pub(crate) fn request(&self, context: &Context) -> Self {
        self.at(self.push(Kind::Request(trace_of(context))))
    }

    /// Starts a run of a step.
    pub(crate) fn step(&self, step: &Step) -> Self {
        let run = StepRun {
            step: step.key.clone(),
            stage: step.definition.stage,
            native: step.runner.is_native(),
            plugin_hash: step.runner.content_hash().cloned(),
            mode: step.definition.mode,
            rank: step.definition.rank,
            duration: Duration::ZERO,
            host_calls: Duration::ZERO,
            memory_bytes: 0,
            changes: Vec::new(),
            lines: Vec::new(),
            requests: Vec::new(),
            error: None,
        };
        self.at(self.push(Kind::Step(run)))
    }

    /// Notes a moment.
    pub(crate) fn event(&self, event: Event) {
        self.push(Kind::Event(event));
    }

    /// Ends the run of a step that this place stands for.
    pub(crate) fn end_step(&self, end: StepEnd) {
        self.with_node(|node| {
            let started = node.started;
            if let Kind::Step(run) = &mut node.kind {
                run.duration = started.elapsed();
                run.host_calls = end.host_calls;
                run.memory_bytes = end.memory_bytes;
                run.changes = end.changes;
                run.lines = end.lines;
                run.error = end.error;
            }
        });
    }

    /// Ends the request that this place stands for.
    pub(crate) fn end_request(&self, record: Option<uuid::Uuid>, error: Option<&Error>) {
        self.with_node(|node| {
            let started = node.started;
            if let Kind::Request(trace) = &mut node.kind {
                trace.duration = started.elapsed();
                trace.record = record.or(trace.record);
                trace.error = error.cloned();
            }
        });
    }

    /// The trace of the root request. Steps that never ended have the time until now as their duration.
    pub(crate) fn finish(&self) -> Option<Trace> {
        let nodes = self.recorder.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        request(&nodes, 0)
    }

    fn at(&self, node: usize) -> Self {
        Self { recorder: Arc::clone(&self.recorder), node: Some(node) }
    }

    fn push(&self, kind: Kind) -> usize {
        let mut nodes = self.recorder.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = nodes.len();
        nodes.push(Node { kind, started: Instant::now(), children: Vec::new() });
        if let Some(parent) = self.node.and_then(|parent| nodes.get_mut(parent)) {
            parent.children.push(index);
        }
        index
    }

    fn with_node(&self, change: impl FnOnce(&mut Node)) {
        let mut nodes = self.recorder.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = self.node.and_then(|node| nodes.get_mut(node)) {
            change(node);
        }
    }
}

fn trace_of(context: &Context) -> Trace {
    Trace {
        message: context.message.clone(),
        entity: context.entity.clone(),
        record: context.record,
        user: context.user,
        depth: context.depth,
        correlation_id: context.correlation_id,
        duration: Duration::ZERO,
        events: Vec::new(),
        error: None,
    }
}

fn request(nodes: &[Node], index: usize) -> Option<Trace> {
    let node = nodes.get(index)?;
    let Kind::Request(trace) = &node.kind else { return None };
    let mut trace = trace.clone();
    if trace.duration.is_zero() {
        trace.duration = node.started.elapsed();
    }
    for &child in &node.children {
        match nodes.get(child).map(|node| (&node.kind, node)) {
            Some((Kind::Event(event), _)) => trace.events.push(event.clone()),
            Some((Kind::Step(run), node)) => trace.events.push(Event::Step(step(nodes, node, run))),
            Some((Kind::Request(_), _)) => {
                trace.events.extend(request(nodes, child).map(|inner| Event::Request(Box::new(inner))));
            }
            None => {}
        }
    }
    Some(trace)
}

fn step(nodes: &[Node], node: &Node, run: &StepRun) -> StepRun {
    let mut run = run.clone();
    if run.duration.is_zero() {
        run.duration = node.started.elapsed();
    }
    run.requests = node.children.iter().filter_map(|&child| request(nodes, child)).collect();
    run
}

/// What differs between two states of the same attributes.
fn changes(before: &Attributes, after: &Attributes) -> Vec<Change> {
    let change = |attribute: &String, old: Option<&Value>, new: Option<&Value>| Change {
        attribute: attribute.clone(),
        old: old.cloned(),
        new: new.cloned(),
    };
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .map(|(name, value)| change(name, before.get(name), Some(value)));
    let removed = before
        .iter()
        .filter(|(name, _)| !after.contains_key(*name))
        .map(|(name, value)| change(name, Some(value), None));
    changed.chain(removed).collect()
}

/// What a step changed in its message: the target, or the output of a Retrieve, and the shared variables.
pub(crate) fn step_changes(before: &Context, after: &Context) -> Vec<Change> {
    let attributes = |context: &Context| -> Attributes {
        let output = match context.output.get(parameter::BUSINESS_ENTITY) {
            Some(Parameter::Entity(entity)) => Some(entity.attributes.clone()),
            _ => None,
        };
        output.or_else(|| context.target().map(|target| target.attributes.clone())).unwrap_or_default()
    };
    let mut all = changes(&attributes(before), &attributes(after));
    let shared = changes(&before.shared, &after.shared);
    all.extend(shared.into_iter().map(|mut change| {
        change.attribute = format!("shared variable {}", change.attribute);
        change
    }));
    all
}

/// What the core operation changed in the record: the target against the pre-image.
pub(crate) fn operation_changes(context: &Context) -> Vec<Change> {
    let none = Attributes::new();
    let old = context.pre_images.first().and_then(Option::as_ref).map_or(&none, |image| &image.attributes);
    let Some(target) = context.target() else { return Vec::new() };
    target
        .attributes
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value))
        .map(|(name, value)| Change {
            attribute: name.clone(),
            old: old.get(name).filter(|old| **old != Value::Null).cloned(),
            new: Some(value.clone()),
        })
        .collect()
}
