//! How the system jobs of a step are run, as JSON.

use super::Writer;
use crate::declaration::JobOptions;

impl<const N: usize> Writer<N> {
    /// What is not the default.
    pub(super) const fn jobs(&mut self, jobs: JobOptions) {
        let JobOptions { ordered, unique, priority, retries, auto_delete, background } = jobs;
        let start = self.len;
        let flags = [
            (ordered, "ordered"),
            (unique, "unique"),
            (auto_delete, "auto_delete"),
            (background, "background"),
        ];
        let mut rest: &[(bool, &str)] = &flags;
        while let [(set, name), others @ ..] = rest {
            if *set {
                self.member(start, name);
                self.raw("true");
            }
            rest = others;
        }
        if priority != JobOptions::DEFAULT.priority {
            self.member(start, "priority");
            self.number(priority as i64);
        }
        if retries != JobOptions::DEFAULT.retries {
            self.member(start, "retries");
            self.number(retries as i64);
        }
        self.byte(b'}');
    }

    /// The name of a member of the object that begins at `start`.
    pub(super) const fn member(&mut self, start: usize, name: &str) {
        self.byte(if self.len == start { b'{' } else { b',' });
        self.string(name);
        self.byte(b':');
    }
}
