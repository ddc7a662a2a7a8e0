//! The counts of jobs as OpenMetrics text, for a scraper.

use std::fmt::Write as _;

use super::jobs::{Counted, holding};
use crate::model::job::JobCount;

/// The samples of every step, with the line that ends them.
pub(in crate::cli) fn render(counted: &Counted<'_>) -> String {
    let mut text = String::new();
    let oldest = |count: &JobCount| {
        let age = counted.now.0.saturating_sub(count.oldest.0).max(0);
        format!("{}.{:03}", age / 1000, age % 1000)
    };
    family(&mut text, "stagegate_jobs", "System jobs, by step and status.", None);
    for count in counted.counts {
        let _ = writeln!(text, "stagegate_jobs{{{}}} {}", labels(count), count.count);
    }
    family(
        &mut text,
        "stagegate_jobs_oldest_seconds",
        "The time since the oldest of them was queued.",
        Some("seconds"),
    );
    for count in counted.counts {
        let _ = writeln!(text, "stagegate_jobs_oldest_seconds{{{}}} {}", labels(count), oldest(count));
    }
    family(
        &mut text,
        "stagegate_step_paused",
        "Whether the jobs of a step are kept from being started.",
        None,
    );
    let mut previous = None;
    for JobCount { step, .. } in counted.counts {
        if previous.replace(step) != Some(step) {
            let (plugin, name) = (escaped(&step.plugin), escaped(&step.step));
            let paused = u8::from(holding(counted.paused, step).is_some());
            let _ = writeln!(text, "stagegate_step_paused{{plugin=\"{plugin}\",step=\"{name}\"}} {paused}");
        }
    }
    text.push_str("# EOF\n");
    text
}

fn family(text: &mut String, name: &str, help: &str, unit: Option<&str>) {
    let _ = writeln!(text, "# TYPE {name} gauge");
    if let Some(unit) = unit {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {help}");
}

fn labels(count: &JobCount) -> String {
    let JobCount { step, status, suspension, .. } = count;
    let suspension = suspension.map(|suspension| suspension.to_string()).unwrap_or_default();
    format!(
        "plugin=\"{}\",step=\"{}\",status=\"{}\",suspension=\"{suspension}\"",
        escaped(&step.plugin),
        escaped(&step.step),
        super::json::job_status(*status)
    )
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::Suspension;
    use crate::model::step::StepKey;
    use crate::model::{DateTime, JobStatus};
    use crate::store::PausedStep;

    #[test]
    fn each_group_is_a_sample_of_each_family() {
        let key = |step: &str| StepKey { plugin: "mail".into(), step: step.into() };
        let counts = [
            JobCount::new(key("send"), JobStatus::WaitingForResources, None, 12, DateTime(1000)),
            JobCount::new(key("send"), JobStatus::Waiting, Some(Suspension::Retry), 1, DateTime(9000)),
            JobCount::new(key("a\"b\\c\nd"), JobStatus::Failed, None, 3, DateTime(2500)),
        ];
        let paused = [PausedStep { plugin: "mail".into(), step: Some("send".into()) }];
        let counted = Counted { counts: &counts, paused: &paused, running: &[], now: DateTime(3000) };
        let expected = r#"# TYPE stagegate_jobs gauge
# HELP stagegate_jobs System jobs, by step and status.
stagegate_jobs{plugin="mail",step="send",status="waiting_for_resources",suspension=""} 12
stagegate_jobs{plugin="mail",step="send",status="waiting",suspension="retry"} 1
stagegate_jobs{plugin="mail",step="a\"b\\c\nd",status="failed",suspension=""} 3
# TYPE stagegate_jobs_oldest_seconds gauge
# UNIT stagegate_jobs_oldest_seconds seconds
# HELP stagegate_jobs_oldest_seconds The time since the oldest of them was queued.
stagegate_jobs_oldest_seconds{plugin="mail",step="send",status="waiting_for_resources",suspension=""} 2.000
stagegate_jobs_oldest_seconds{plugin="mail",step="send",status="waiting",suspension="retry"} 0.000
stagegate_jobs_oldest_seconds{plugin="mail",step="a\"b\\c\nd",status="failed",suspension=""} 0.500
# TYPE stagegate_step_paused gauge
# HELP stagegate_step_paused Whether the jobs of a step are kept from being started.
stagegate_step_paused{plugin="mail",step="send"} 1
stagegate_step_paused{plugin="mail",step="a\"b\\c\nd"} 0
# EOF
"#;
        assert_eq!(render(&counted), expected);
    }
}
