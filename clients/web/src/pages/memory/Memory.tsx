import { PageHead } from "../../ui/parts";

export default function Memory() {
  return <PageHead title="Memory" />;
}
