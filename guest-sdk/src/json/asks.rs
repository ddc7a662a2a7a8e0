//! What a plugin asks for, as JSON.

use super::Writer;
use crate::declaration::{Asks, HttpRule};

#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
impl<const N: usize> Writer<N> {
    /// What is not nothing.
    pub(super) const fn asks(&mut self, asks: &Asks) {
        let start = self.len;
        if !asks.http.is_empty() {
            self.member(start, "http");
            self.byte(b'[');
            let mut index = 0;
            while index < asks.http.len() {
                if index > 0 {
                    self.byte(b',');
                }
                self.http_rule(&asks.http[index]);
                index += 1;
            }
            self.byte(b']');
        }
        let lists = [
            (asks.environment, "environment"),
            (asks.secrets, "secrets"),
            (asks.configuration, "configuration"),
        ];
        let mut index = 0;
        while index < lists.len() {
            if !lists[index].0.is_empty() {
                self.member(start, lists[index].1);
                self.strings(lists[index].0);
            }
            index += 1;
        }
        if asks.random {
            self.member(start, "random");
            self.raw("true");
        }
        if asks.clocks {
            self.member(start, "clocks");
            self.raw("true");
        }
        if asks.memory > 0 {
            self.member(start, "memory");
            self.number(asks.memory as i64);
        }
        if asks.background > 0 {
            self.member(start, "background");
            self.byte(b'"');
            self.number(asks.background as i64);
            self.raw("s\"");
        }
        self.byte(b'}');
    }

    const fn http_rule(&mut self, rule: &HttpRule) {
        self.raw("{\"methods\":");
        self.strings(rule.methods);
        self.raw(",\"origin\":");
        self.string(rule.origin);
        self.byte(b'}');
    }
}
