// Holds the Prometheus operator's resources, given as a JSON array in the first argument, to the operator's own schemas.
import * as v1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

for (const resource of JSON.parse(process.argv[2])) {
  new v1[resource.kind](resource).validate();
  console.log(`${resource.kind} ${resource.metadata.name}`);
}
