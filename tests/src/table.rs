//! The table of cases: each rule of a test file at each site, as a named test.

/// Runs a rule's check at every site of the table, each as a test of its own: `rule::over_veth_v6` calls
/// `rule(&site)`.
#[macro_export]
macro_rules! everywhere {
    ($($rule:ident),* $(,)?) => { $(
        mod $rule {
            $crate::everywhere!(@one $rule over_loopback_v4 Loopback V4);
            $crate::everywhere!(@one $rule over_loopback_v6 Loopback V6);
            $crate::everywhere!(@one $rule over_loopback_mapped Loopback Mapped);
            $crate::everywhere!(@one $rule over_veth_v4 Veth V4);
            $crate::everywhere!(@one $rule over_veth_v6 Veth V6);
            $crate::everywhere!(@one $rule over_veth_mapped Veth Mapped);
        }
    )* };
    (@one $rule:ident $test:ident $link:ident $family:ident) => {
        #[test]
        fn $test() {
            if $crate::needs::root(concat!(stringify!($rule), "::", stringify!($test))) {
                $crate::unseen::tried(|| {
                    super::$rule(&$crate::site::Site::new($crate::site::Link::$link, $crate::site::Family::$family));
                });
            }
        }
    };
}

/// Like [`everywhere!`], where only one kind of link makes sense.
#[macro_export]
macro_rules! over {
    ($link:ident: $($rule:ident),* $(,)?) => { $(
        mod $rule {
            $crate::everywhere!(@one $rule v4 $link V4);
            $crate::everywhere!(@one $rule v6 $link V6);
            $crate::everywhere!(@one $rule mapped $link Mapped);
        }
    )* };
}

/// Some rules once more over one kind of link, each family a test below a module of that name: `over_bridge::rule::v6`.
/// The link may be followed by what is to be made of its site.
#[macro_export]
macro_rules! again {
    ($module:ident $site:tt: $($rule:ident),* $(,)?) => { mod $module { $(
        mod $rule {
            $crate::again!(@one $module $rule v4 V4 $site);
            $crate::again!(@one $module $rule v6 V6 $site);
            $crate::again!(@one $module $rule mapped Mapped $site);
        }
    )* } };
    (@one $module:ident $rule:ident $test:ident $family:ident ($link:ident $($how:ident)?)) => {
        #[test]
        fn $test() {
            if $crate::needs::root(concat!(stringify!($module), "::", stringify!($rule), "::", stringify!($test))) {
                $crate::unseen::tried(|| {
                    let site = $crate::site::Site::new($crate::site::Link::$link, $crate::site::Family::$family);
                    super::super::$rule(&site $(.$how())?);
                });
            }
        }
    };
}
