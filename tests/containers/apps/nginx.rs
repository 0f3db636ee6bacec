use super::{App, Site};
use crate::common::wait;
use crate::support::{Container, http};

/// nginx with two workers, error pages, compression, large files and logs.
#[derive(Debug)]
pub struct Nginx;

fn configuration(site: &Site, edition: u32) -> String {
    let port = site.port;
    // Only root may choose another user for the workers.
    let user = if site.root { "user www-data;" } else { "" };
    format!(
        "daemon off;
{user}
pid /tmp/nginx.pid;
error_log /tmp/error.log notice;
worker_processes 2;
events {{ worker_connections 256; }}
http {{
    access_log /tmp/access.log;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    sendfile on;
    gzip on;
    default_type text/html;
    server {{
        listen 127.0.0.1:{port};
        root /srv;
        error_page 404 /404.html;
        location /edition {{ return 200 '{edition}'; }}
        # More than fits into one buffer of the proxy, and less than fits into all.
        location /copy {{ proxy_pass http://127.0.0.1:{port}/medium.bin; }}
        location /old {{ proxy_pass http://127.0.0.1:{port}/edition; }}
    }}
}}
"
    )
}

impl App for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn user(&self) -> &'static str {
        "www-data"
    }

    fn stop_signal(&self) -> &'static str {
        "QUIT"
    }

    fn prepare(&self, site: &Site) {
        site.write("nginx.conf", configuration(site, 1));
        site.write("index.html", "<h1>It works</h1>".repeat(100));
        site.write("404.html", "not here");
        site.write("medium.bin", vec![b'x'; 20 << 10]);
        site.write("large.bin", vec![b'x'; 4 << 20]);
    }

    fn command(&self, _: &Site) -> Vec<String> {
        ["nginx", "-c", "/srv/nginx.conf", "-e", "/tmp/error.log"].map(str::to_owned).into()
    }

    fn health(&self, site: &Site) -> String {
        format!("bash -c '</dev/tcp/127.0.0.1/{}'", site.port)
    }

    fn is_ready(&self, site: &Site) -> bool {
        http::try_get(site.port, "/edition").is_some()
    }

    fn request(&self, site: &Site) {
        let port = site.port;
        assert!(http::get(port, "/index.html").contains("It works"));
        assert_eq!(http::get(port, "/large.bin").len(), 4 << 20);
        assert_eq!(http::get(port, "/copy").len(), 20 << 10);
        http::get(port, "/old");
        assert!(http::expect(port, "GET /missing", "", 404).body.contains("not here"));
        http::expect(port, "POST /index.html", &"much ".repeat(20_000), 405);
        http::expect(port, "BREW /", "", 405);
    }

    fn change(&self, site: &Site, container: &Container) {
        let now: u32 = http::get(site.port, "/edition").parse().expect("a number");
        site.write("nginx.conf", configuration(site, now + 1));
        container.kill("HUP");
        wait::until("nginx has its new configuration", || {
            http::try_get(site.port, "/edition") == Some((now + 1).to_string())
        });
    }

    fn operate(&self, _: &Site, container: &Container) {
        container.exec(&["nginx", "-t", "-c", "/srv/nginx.conf", "-e", "/tmp/error.log"]);
        let log = container.exec(&["tail", "-n", "1", "/tmp/access.log"]);
        assert!(log.contains("127.0.0.1"), "{log}");
    }
}
