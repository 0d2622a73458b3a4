//! The fields that an update replaces: `google.protobuf.FieldMask`.

use polder_core::reason::{Reason, Refusal, Violations, shown};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};

use super::ipam::values::few;
use crate::dynamic::descriptors;

/// The most paths of one mask.
pub(super) const MOST_PATHS: usize = 100;

/// `current` with every field that a path names taken from `incoming`, absent ones too. A path is a proto field name, or several
/// joined by dots: `spec.ports`. `name` is the message's full name: `polder.lb.v1.Service`.
///
/// # Errors
/// [`Reason::InvalidArgument`] for every path that names no field of the message.
pub fn replace<M: Message + Default>(name: &str, current: &M, incoming: &M, paths: &[String]) -> Result<M, Refusal> {
    let mut bad = Violations::new();
    if paths.len() > MOST_PATHS {
        bad.add(
            "update_mask",
            Reason::CountOutOfBounds,
            format!("{} paths are too many; at most {MOST_PATHS} are taken", paths.len()),
        );
        return bad.finish(None);
    }
    let descriptor = descriptors().get_message_by_name(name).ok_or_else(|| defect("the message has no descriptor"))?;
    let (mut target, source) = (dynamic(&descriptor, current)?, dynamic(&descriptor, incoming)?);
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if take(&mut target, &source, &steps).is_none() {
            let text = format!("`{}` is not a field of {}; write proto names joined by dots", shown(path), descriptor.name());
            bad.add("update_mask", Reason::InvalidArgument, text);
        }
    }
    let merged = target.transcode_to::<M>().map_err(|error| defect(&error.to_string()))?;
    bad.finish(Some(merged))
}

/// Notes every path that names none of the fields that can be set, whether or not there is something to merge with.
pub fn check<M: Message + Default>(name: &str, settable: &[&str], paths: &[String], bad: &mut Violations) {
    if !few(paths.len(), MOST_PATHS, "update_mask", bad) {
        return;
    }
    let known = |path: &&String| {
        let first = path.split('.').next().unwrap_or_default();
        let replaceable = || replace(name, &M::default(), &M::default(), std::slice::from_ref(path));
        settable.contains(&first) && replaceable().is_ok()
    };
    for path in paths.iter().filter(|path| !known(path)) {
        let text = format!("`{}` is not a field that can be replaced; there are {}", shown(path), settable.join(", "));
        bad.add("update_mask", Reason::InvalidArgument, text);
    }
}

fn dynamic<M: Message>(descriptor: &MessageDescriptor, message: &M) -> Result<DynamicMessage, Refusal> {
    let mut dynamic = DynamicMessage::new(descriptor.clone());
    dynamic.transcode_from(message).map_err(|error| defect(&error.to_string()))?;
    Ok(dynamic)
}

fn defect(why: &str) -> Refusal {
    Refusal::new(Reason::Internal, format!("an update mask cannot be applied: {why}"))
}

/// Takes over one field; `None` when there is no such field.
fn take(target: &mut DynamicMessage, source: &DynamicMessage, steps: &[&str]) -> Option<()> {
    let (first, rest) = steps.split_first()?;
    let field = target.descriptor().get_field_by_name(first)?;
    if rest.is_empty() {
        match source.has_field(&field) {
            true => target.set_field(&field, source.get_field(&field).into_owned()),
            false => target.clear_field(&field),
        }
        return Some(());
    }
    if field.is_list() || field.is_map() {
        return None;
    }
    // A message that neither has stays absent; what it would have is what both have.
    let absent = !source.has_field(&field) && !target.has_field(&field);
    let inner = source.get_field(&field);
    take(target.get_field_mut(&field).as_message_mut()?, inner.as_message()?, rest)?;
    if absent {
        target.clear_field(&field);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lb::v1::{ExternalSpec, Service, ServiceSpec};

    const SERVICE: &str = "polder.lb.v1.Service";

    fn service(name: &str, headless: bool, key: &str) -> Service {
        let external = Some(ExternalSpec { sharing_key: key.to_owned(), ..ExternalSpec::default() });
        let spec = ServiceSpec { headless, external, ..ServiceSpec::default() };
        Service { name: name.to_owned(), spec: Some(spec), ..Service::default() }
    }

    #[test]
    fn only_what_a_path_names_is_replaced() {
        let (old, new) = (service("old", true, "old"), service("new", false, "new"));
        let merged =
            |paths: &[&str]| replace(SERVICE, &old, &new, &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(merged(&[]).unwrap(), old);
        assert_eq!(merged(&["spec.external.sharing_key"]).unwrap(), service("old", true, "new"));
        assert_eq!(merged(&["spec.headless", "name"]).unwrap(), service("new", false, "old"));
        assert_eq!(merged(&["spec", "name"]).unwrap(), new);
    }

    #[test]
    fn paths_that_lead_nowhere_are_all_named() {
        let paths: Vec<String> = ["nothing", "spec.nothing", "labels.app", "name.x", "", "spec.ports"].map(str::to_owned).into();
        let refusal = replace(SERVICE, &Service::default(), &Service::default(), &paths).unwrap_err();
        assert_eq!((refusal.reason, refusal.violations.len()), (Reason::InvalidArgument, 5));
    }

    #[test]
    fn a_field_below_an_absent_one_can_be_set() {
        let paths = ["spec.external.sharing_key".to_owned()];
        let got = replace(SERVICE, &Service::default(), &service("x", true, "key"), &paths).unwrap();
        assert_eq!(got, service("", false, "key"));
        let nothing = replace(SERVICE, &Service::default(), &Service::default(), &paths).unwrap();
        assert_eq!(nothing, Service::default(), "what neither has stays absent");
    }
}
