//! The step of an explanation that looks at nodes: whether those that live have programmed what they were told.

use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_proto::types::v1::ConditionStatus;

/// The most nodes that the step names.
const MOST_NAMED: usize = 5;

/// The step, from how far nodes say they are; `None` where nobody can be asked.
pub(crate) fn step(convergence: Option<&pb::Convergence>) -> pb::ExplainStep {
    let told = |status: ConditionStatus, reason: Option<Reason>, message: String| pb::ExplainStep {
        step: "programmed".to_owned(),
        status: status.into(),
        reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
        message,
        objects: Vec::new(),
    };
    let Some(convergence) = convergence else {
        return told(
            ConditionStatus::Unknown,
            None,
            "no replica is known to lead, which would know what nodes have programmed".to_owned(),
        );
    };
    let nodes = &convergence.nodes;
    let failing: Vec<String> = nodes
        .iter()
        .filter(|node| node.report_time.is_some() && !node.error.is_empty())
        .map(|node| format!("node `{}`: {}", node.node, node.error))
        .collect();
    let behind: Vec<String> = nodes.iter().filter(|node| !node.has_revision).map(|node| late(node, convergence.revision)).collect();
    if !failing.is_empty() {
        return told(ConditionStatus::False, Some(Reason::NotProgrammed), few(&failing));
    }
    match (nodes.len(), behind.len()) {
        (0, _) => told(ConditionStatus::Unknown, None, "no node lives, so none has programmed it".to_owned()),
        (1, 0) => told(ConditionStatus::True, None, "the one live node has programmed it".to_owned()),
        (all, 0) => told(ConditionStatus::True, None, format!("all {all} live nodes have programmed it")),
        _ => told(ConditionStatus::Unknown, None, few(&behind)),
    }
}

fn late(node: &pb::NodeProgress, revision: u64) -> String {
    match node.report_time {
        None => format!("node `{}` has not reported yet", node.node),
        Some(_) => format!("node `{}` is at revision {} of {revision}", node.node, node.programmed_revision),
    }
}

fn few(texts: &[String]) -> String {
    let named = texts.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join("; ");
    match texts.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named}; and so on for {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, revision: Option<u64>, error: &str) -> pb::NodeProgress {
        pb::NodeProgress {
            node: name.to_owned(),
            programmed_revision: revision.unwrap_or_default(),
            report_time: revision.map(|_| prost_types::Timestamp::default()),
            error: error.to_owned(),
            has_revision: revision >= Some(7),
        }
    }

    fn told(nodes: &[pb::NodeProgress]) -> (ConditionStatus, String) {
        let step = step(Some(&pb::Convergence { revision: 7, nodes: nodes.to_vec(), ..pb::Convergence::default() }));
        assert_eq!(step.reason.is_empty(), step.status() != ConditionStatus::False);
        (step.status(), step.message)
    }

    #[test]
    fn nodes_have_it_or_lack_it_or_cannot() {
        assert_eq!(step(None).status(), ConditionStatus::Unknown);
        assert_eq!(told(&[]).0, ConditionStatus::Unknown);
        let well = node("a", Some(7), "");
        assert_eq!(told(std::slice::from_ref(&well)), (ConditionStatus::True, "the one live node has programmed it".to_owned()));
        let text = "node `b` is at revision 5 of 7; node `c` has not reported yet";
        let late = [well.clone(), node("b", Some(5), ""), node("c", None, "it has not reported yet")];
        assert_eq!(told(&late), (ConditionStatus::Unknown, text.to_owned()));
        let full = node("d", Some(7), "no room in the kernel");
        assert_eq!(told(&[well, full]), (ConditionStatus::False, "node `d`: no room in the kernel".to_owned()));
        let many: Vec<_> = (0..7).map(|number| node(&format!("n{number}"), None, "")).collect();
        assert!(told(&many).1.ends_with("`n4` has not reported yet; and so on for 2 more"));
    }
}
