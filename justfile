# Lists the recipes.
default:
    @just --list

# The exporter with made-up tunnels; needs no account.
demo *flags:
    cargo run --release -- demo {{flags}}

# All checks and all tests; installs the tools that they call.
test *arguments:
    tests/run {{arguments}}

# Only the tests of one name.
only name:
    cargo test {{name}}

# Formats the code.
format:
    cargo fmt

# All checks without the tests.
lint:
    tests/run --lint

# Holds the dependencies to deny.toml; needs cargo-deny.
deny:
    cargo deny check bans licenses sources

# Writes the golden expositions anew; read the difference before you commit it.
golden:
    UPDATE_GOLDEN=1 cargo test --test it golden

# Copies the rules and dashboards into the Helm chart, which carries real files; a test compares them.
chart:
    rm -rf deploy/helm/tencentcloud-vpn-exporter/files
    mkdir -p deploy/helm/tencentcloud-vpn-exporter/files/rules deploy/helm/tencentcloud-vpn-exporter/files/dashboards
    cp deploy/prometheus/rules/*.yml deploy/helm/tencentcloud-vpn-exporter/files/rules/
    cp dashboards/*.json deploy/helm/tencentcloud-vpn-exporter/files/dashboards/
