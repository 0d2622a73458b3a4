//! How old a read may be: it is said with every one, since a read never fails because the store is silent.

use std::time::Duration;

use tonic::Response;

/// The metadata key under which a read says how old its view may be, in milliseconds.
pub const AGE_HEADER: &str = "x-polder-age-ms";

/// An answer from a view of this age; `None` where nothing is known of it.
#[must_use]
pub fn aged<T>(age: Option<Duration>, message: T) -> Response<T> {
    let mut response = Response::new(message);
    if let Some(age) = age {
        response.metadata_mut().insert(AGE_HEADER, u64::try_from(age.as_millis()).unwrap_or(u64::MAX).into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_said_where_it_is_known() {
        let told = |age| aged(age, ()).metadata().get(AGE_HEADER).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((told(None), told(Some(Duration::from_micros(1500)))), (None, Some("1".to_owned())));
    }
}
