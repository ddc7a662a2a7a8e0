//! How the system jobs of a step are run.

/// How the system jobs of an asynchronous step are run: what the author says of it. An operator may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobOptions {
    /// Whether jobs about the same record run one after another, in the order in which they were queued; those of a
    /// message without a record as if all were about the same.
    pub ordered: bool,
    /// Whether a new job takes the place of one about the same record that has not started: that one is canceled.
    pub unique: bool,
    /// Jobs with a smaller number run first, as ranks do; among equals the oldest.
    pub priority: i32,
    /// How often a job is run again, after a transient failure or when the step asks for it with
    /// [`Fault::retry`](crate::Fault::retry), before it fails.
    pub retries: u32,
    /// Whether a job that succeeds is deleted. One that fails stays.
    pub auto_delete: bool,
    /// Whether the step is made for longer than the time limit of a message: it saves checkpoints and goes on from the
    /// last one.
    pub background: bool,
}

impl JobOptions {
    /// What a step has that says nothing: four retries, as on the platform, and nothing else.
    pub const DEFAULT: Self = Self {
        ordered: false,
        unique: false,
        priority: 0,
        retries: 4,
        auto_delete: false,
        background: false,
    };

    /// Whether it says nothing; `==` is not const here.
    pub(crate) const fn is_default(self) -> bool {
        let Self { ordered, unique, priority, retries, auto_delete, background } = self;
        !(ordered || unique || auto_delete || background)
            && priority == Self::DEFAULT.priority
            && retries == Self::DEFAULT.retries
    }
}

impl Default for JobOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}
