import { PageHead } from "../../ui/parts";

export default function Job() {
  return <PageHead title="Job" />;
}
