import { PageHead } from "../../ui/parts";

export default function Jobs() {
  return <PageHead title="Jobs" />;
}
