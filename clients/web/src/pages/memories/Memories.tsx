import { PageHead } from "../../ui/parts";

export default function Memories() {
  return <PageHead title="Memories" />;
}
